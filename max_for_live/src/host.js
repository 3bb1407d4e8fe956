// What the script needs of Max beyond Live: files, random words, versions. Everything in it may throw.
/* global module, File, max, post */
var StembridgeHost = (function () {
  "use strict";

  // Bytes asked of a file at a time: what Max gives at once is limited, nobody says to what.
  var SLICE = 4096;

  // The ways in which Max may know an absolute path, likeliest first: it takes "/" for the boot volume, and a Mac's
  // other volumes by their names.
  function forms(path) {
    var slashed = String(path).replace(/\\/g, "/");
    var volume = /^\/Volumes\/([^\/]+)(\/.*)$/.exec(slashed);
    return volume ? [slashed, volume[1] + ":" + volume[2]] : [slashed];
  }

  // An open File, or null.
  function opened(path) {
    var list = forms(path);
    for (var i = 0; i < list.length; i++) {
      var file = new File(list[i], "read");
      if (file.isopen) return file;
    }
    return null;
  }

  function exists(path) {
    var file = opened(path);
    if (file === null) return false;
    file.close();
    return true;
  }

  // Whether there is certainly no file at a path. Whether Max opens paths that aren't ASCII, or on a server of Windows', is
  // not known: of those, only the daemon can tell.
  function isMissing(path) {
    return /^[ -~]*$/.test(path) && !/^[\\\/]{2}/.test(path) && !exists(path);
  }

  // Bytes of a file; -1 if it can't be opened.
  function size(path) {
    var file = opened(path);
    if (file === null) return -1;
    var total = file.eof;
    file.close();
    return total;
  }

  // All bytes of a file; null if it can't be opened or read to its end.
  function bytes(path) {
    var file = opened(path), list = [];
    if (file === null) return null;
    var total = file.eof;
    while (list.length < total) {
      var slice = file.readbytes(Math.min(SLICE, total - list.length));
      if (!slice || !slice.length) break;
      for (var i = 0; i < slice.length; i++) list.push(slice[i] & 255);
    }
    file.close();
    return list.length === total ? list : null;
  }

  // Bytes of ASCII as a string.
  function ascii(list) {
    var pieces = [];
    for (var i = 0; i < list.length; i += SLICE) pieces.push(String.fromCharCode.apply(null, list.slice(i, i + SLICE)));
    return pieces.join("");
  }

  // The JSON object in a file: {value}, or {fault: "missing" or "damaged"}. With `crc32`, its bytes must have that.
  function json(path, crc32) {
    var found = bytes(path);
    if (found === null) return { fault: "missing" };
    if (crc32 && StembridgeProtocol.crc32(found) !== crc32) return { fault: "damaged" };
    var value = StembridgeProtocol.fromJson(ascii(found).replace(/^\s+/, ""));
    return value === null ? { fault: "damaged" } : { value: value };
  }

  // The folder of a path, with its last "/".
  function folder(path) {
    var slashed = String(path).replace(/\\/g, "/");
    return slashed.substr(0, slashed.lastIndexOf("/") + 1);
  }

  // A random word of 32 hexadecimal digits. Some engines seed Math.random by the clock alone, so the clock and the time
  // that things take go into it as well.
  function word() {
    var text = "", mixed = [];
    for (var i = 0; i < 64; i++) mixed.push(Math.floor(Math.random() * 4294967296) & 255, new Date().getTime() & 255);
    while (text.length < 32) {
      mixed.push(Math.floor(Math.random() * 256), text.length);
      text += StembridgeProtocol.crc32(mixed);
    }
    return text.substr(0, 32);
  }

  // Milliseconds that never go back, although the computer's clock may.
  function clock() {
    var last = 0, shift = 0;
    return function () {
      var now = new Date().getTime() + shift;
      if (now < last) {
        shift += last - now;
        now = last;
      }
      last = now;
      return now;
    };
  }

  function maxVersion() {
    return typeof max !== "undefined" && max.version ? String(max.version) : "";
  }

  function system() {
    return typeof max !== "undefined" && max.os ? String(max.os) : "";
  }

  function log(text) {
    post("Stembridge: " + text + "\n");
  }

  return {
    isMissing: isMissing,
    size: size,
    json: json,
    folder: folder,
    word: word,
    clock: clock,
    maxVersion: maxVersion,
    system: system,
    log: log
  };
})();

if (typeof module !== "undefined" && module.exports) module.exports = StembridgeHost;
