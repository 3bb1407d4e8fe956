// Generated from bridge/osc/protocol.py by `python -m bridge.osc.generate`: change the table there.
// The functions come from bridge/osc/helpers.js.
/* global module */
var StembridgeProtocol = (function () {
  "use strict";

  var TABLE = {
    "limits": {
      "version": 1,
      "prefix": "/stembridge/1/",
      "daemon_port": 17900,
      "device_port": 17901,
      "datagram_bytes": 1024,
      "chunk_chars": 800,
      "request_chars": 1600000,
      "resend_gaps_s": [0.3, 0.6, 1.2, 2.4],
      "ping_idle_s": 10.0,
      "ping_busy_s": 2.0,
      "pings_unanswered": 3
    },
    "forms": {
      "word": "[A-Za-z0-9_-]*",
      "ascii": "[ -~]*",
      "json": "[ -~]*",
      "percent": "(?:[ -$&-~]|%[0-9A-Fa-f]{2})*",
      "numbers": "(?:[0-9]+(?:,[0-9]+)*)?",
      "hex": "[0-9a-f]*"
    },
    "errors": {
      "secret": "Run: stembridge device install. The device then finds it.",
      "version": "Update Stembridge, then run: stembridge device install.",
      "token": "Remove the device from the track and drag it in again.",
      "too-many-devices": "Remove devices that you don't need, or wait a minute.",
      "busy": "Wait until some jobs are done, then convert again.",
      "too-large": "Convert a clip with fewer warp markers.",
      "invalid-request": "Update Stembridge and the device, then convert again.",
      "audio-unreadable": "Check that the clip plays, then convert again.",
      "engine-missing": "Run: stembridge doctor.",
      "engine-failed": "Convert again; if it stays, try another separator.",
      "engine-crashed": "Close other programs to free memory, then convert again.",
      "crashed": "Run: stembridge doctor. Its log says more.",
      "hung": "Convert again; if it stays, try another separator.",
      "cancelled": "Press Convert to start again.",
      "output-unwritable": "Check free space and permissions of the output folder.",
      "locked": "Close other programs that use it, then convert again.",
      "disk-full": "Free some disk space, then convert again.",
      "store-unusable": "Run: stembridge doctor.",
      "stopping": "Start Stembridge, then convert again.",
      "unknown-job": "Convert again.",
      "result-missing": "Convert again.",
      "path-unusable": "Choose an output folder whose path is plain text.",
      "internal": "Run: stembridge doctor. Its log says more."
    },
    "messages": [
      {"name": "hello", "address": "/stembridge/1/hello", "to": "daemon", "args": [
        {"name": "json", "tag": "s", "low": 2, "high": 996, "form": "json"}
      ]},
      {"name": "welcome", "address": "/stembridge/1/welcome", "to": "device", "args": [
        {"name": "token", "tag": "s", "low": 8, "high": 64, "form": "word"},
        {"name": "json", "tag": "s", "low": 2, "high": 900, "form": "json"}
      ]},
      {"name": "refuse", "address": "/stembridge/1/refuse", "to": "device", "args": [
        {"name": "token", "tag": "s", "low": 8, "high": 64, "form": "word"},
        {"name": "code", "tag": "s", "low": 1, "high": 32, "form": "word"},
        {"name": "text", "tag": "s", "low": 0, "high": 800, "form": "percent"}
      ]},
      {"name": "ping", "address": "/stembridge/1/ping", "to": "both", "args": [
        {"name": "token", "tag": "s", "low": 8, "high": 64, "form": "word"},
        {"name": "inst", "tag": "s", "low": 1, "high": 64, "form": "word"},
        {"name": "seq", "tag": "i", "low": 0, "high": 2147483647}
      ]},
      {"name": "pong", "address": "/stembridge/1/pong", "to": "both", "args": [
        {"name": "token", "tag": "s", "low": 8, "high": 64, "form": "word"},
        {"name": "inst", "tag": "s", "low": 1, "high": 64, "form": "word"},
        {"name": "seq", "tag": "i", "low": 0, "high": 2147483647}
      ]},
      {"name": "bye", "address": "/stembridge/1/bye", "to": "device", "args": [
        {"name": "token", "tag": "s", "low": 8, "high": 64, "form": "word"}
      ]},
      {"name": "loop", "address": "/stembridge/1/loop", "to": "device", "args": [
        {"name": "token", "tag": "s", "low": 8, "high": 64, "form": "word"},
        {"name": "nonce", "tag": "s", "low": 1, "high": 64, "form": "word"}
      ]},
      {"name": "job/part", "address": "/stembridge/1/job/part", "to": "daemon", "args": [
        {"name": "token", "tag": "s", "low": 8, "high": 64, "form": "word"},
        {"name": "job", "tag": "s", "low": 1, "high": 40, "form": "word"},
        {"name": "idx", "tag": "i", "low": 0, "high": 2047},
        {"name": "total", "tag": "i", "low": 1, "high": 2048},
        {"name": "chunk", "tag": "s", "low": 1, "high": 800, "form": "ascii"}
      ]},
      {"name": "job/ack", "address": "/stembridge/1/job/ack", "to": "device", "args": [
        {"name": "token", "tag": "s", "low": 8, "high": 64, "form": "word"},
        {"name": "job", "tag": "s", "low": 1, "high": 40, "form": "word"},
        {"name": "missing", "tag": "s", "low": 0, "high": 800, "form": "numbers"}
      ]},
      {"name": "job/accepted", "address": "/stembridge/1/job/accepted", "to": "device", "args": [
        {"name": "token", "tag": "s", "low": 8, "high": 64, "form": "word"},
        {"name": "job", "tag": "s", "low": 1, "high": 40, "form": "word"}
      ]},
      {"name": "job/progress", "address": "/stembridge/1/job/progress", "to": "device", "args": [
        {"name": "token", "tag": "s", "low": 8, "high": 64, "form": "word"},
        {"name": "job", "tag": "s", "low": 1, "high": 40, "form": "word"},
        {"name": "seq", "tag": "i", "low": 0, "high": 2147483647},
        {"name": "permille", "tag": "i", "low": 0, "high": 1000},
        {"name": "stage", "tag": "s", "low": 0, "high": 200, "form": "percent"}
      ]},
      {"name": "job/result", "address": "/stembridge/1/job/result", "to": "device", "args": [
        {"name": "token", "tag": "s", "low": 8, "high": 64, "form": "word"},
        {"name": "job", "tag": "s", "low": 1, "high": 40, "form": "word"},
        {"name": "path", "tag": "s", "low": 1, "high": 836, "form": "percent"},
        {"name": "crc32", "tag": "s", "low": 8, "high": 8, "form": "hex"}
      ]},
      {"name": "job/resultack", "address": "/stembridge/1/job/resultack", "to": "daemon", "args": [
        {"name": "token", "tag": "s", "low": 8, "high": 64, "form": "word"},
        {"name": "job", "tag": "s", "low": 1, "high": 40, "form": "word"}
      ]},
      {"name": "job/error", "address": "/stembridge/1/job/error", "to": "device", "args": [
        {"name": "token", "tag": "s", "low": 8, "high": 64, "form": "word"},
        {"name": "job", "tag": "s", "low": 1, "high": 40, "form": "word"},
        {"name": "code", "tag": "s", "low": 1, "high": 32, "form": "word"},
        {"name": "text", "tag": "s", "low": 0, "high": 800, "form": "percent"}
      ]},
      {"name": "job/cancel", "address": "/stembridge/1/job/cancel", "to": "daemon", "args": [
        {"name": "token", "tag": "s", "low": 8, "high": 64, "form": "word"},
        {"name": "job", "tag": "s", "low": 1, "high": 40, "form": "word"}
      ]},
      {"name": "job/inserted", "address": "/stembridge/1/job/inserted", "to": "daemon", "args": [
        {"name": "token", "tag": "s", "low": 8, "high": 64, "form": "word"},
        {"name": "job", "tag": "s", "low": 1, "high": 40, "form": "word"},
        {"name": "clips", "tag": "i", "low": 0, "high": 2147483647},
        {"name": "notes", "tag": "i", "low": 0, "high": 2147483647}
      ]}
    ]
  };

  // The functions of protocol.js. ES5, and nothing of Max: the same file runs in [js], in Node and in tests.
  // Above it in the generated file stands `TABLE`, the protocol's table.

  var BY_NAME = {};
  var BY_ADDRESS = {};

  (function () {
    for (var i = 0; i < TABLE.messages.length; i++) {
      BY_NAME[TABLE.messages[i].name] = TABLE.messages[i];
      BY_ADDRESS[TABLE.messages[i].address] = TABLE.messages[i];
    }
  })();

  function has(object, key) {
    return Object.prototype.hasOwnProperty.call(object, key);
  }

  // "" if a value is as its argument's row says, else what is wrong with it.
  function fault(arg, value) {
    if (arg.tag === "i") {
      if (typeof value !== "number" || Math.floor(value) !== value) return arg.name + " is an integer";
      if (value < arg.low || value > arg.high) return arg.name + " is " + arg.low + " to " + arg.high;
      return "";
    }
    if (typeof value !== "string") return arg.name + " is a string";
    if (value.length < arg.low || value.length > arg.high || !new RegExp("^(?:" + TABLE.forms[arg.form] + ")$").test(value)) {
      return arg.name + " is " + arg.low + " to " + arg.high + " characters of the form " + arg.form;
    }
    return "";
  }

  // [address, argument, ...] of a message; throws if a value is missing or against the table.
  function encode(name, values) {
    if (!has(BY_NAME, name)) throw new Error("no message " + name);
    var message = BY_NAME[name];
    var list = [message.address];
    for (var i = 0; i < message.args.length; i++) {
      var arg = message.args[i];
      var wrong = fault(arg, has(values, arg.name) ? values[arg.name] : undefined);
      if (wrong) throw new Error(name + ": " + wrong);
      list.push(values[arg.name]);
    }
    return list;
  }

  // {name, values} of a message that came to the device; null if it isn't one, or not to this device (its first argument is another token).
  function decode(address, args, token) {
    if (!has(BY_ADDRESS, address)) return null;
    var message = BY_ADDRESS[address];
    if (message.to === "daemon" || args.length !== message.args.length || args[0] !== token) return null;
    var values = {};
    for (var i = 0; i < args.length; i++) {
      if (fault(message.args[i], args[i])) return null;
      values[message.args[i].name] = args[i];
    }
    return { name: message.name, values: values };
  }

  // Any text as ASCII. Half of a surrogate pair, which is no character, becomes U+FFFD.
  function percentEncode(text) {
    return encodeURIComponent(String(text).replace(/[\uD800-\uDBFF][\uDC00-\uDFFF]|[\uD800-\uDFFF]/g, function (found) {
      return found.length === 2 ? found : "\uFFFD";
    }));
  }

  // The text of a percent-encoded string; null if it is none.
  function percentDecode(text) {
    try {
      return decodeURIComponent(text);
    } catch (error) {
      return null;
    }
  }

  // A JSON object in ASCII that reads the same whether or not percent-encoding is undone first.
  function toJson(object) {
    return JSON.stringify(object).replace(/[%\u007F-\uFFFF]/g, function (found) {
      return "\\u" + ("000" + found.charCodeAt(0).toString(16)).slice(-4);
    });
  }

  // The object in a JSON argument, plain or percent-encoded; null if there is none.
  function fromJson(text) {
    var plain = text.charAt(0) === "{" ? text : percentDecode(text);
    try {
      var value = plain === null ? null : JSON.parse(plain);
      return value !== null && typeof value === "object" && !(value instanceof Array) ? value : null;
    } catch (error) {
      return null;
    }
  }

  // The values of all `job/part` of a request; throws if it is larger than allowed.
  function parts(token, job, request) {
    var text = percentEncode(JSON.stringify(request));
    var total = Math.ceil(text.length / TABLE.limits.chunk_chars);
    var list = [];
    if (text.length > TABLE.limits.request_chars) throw new Error("the request has " + text.length + " characters");
    for (var i = 0; i < total; i++) {
      var chunk = text.substr(i * TABLE.limits.chunk_chars, TABLE.limits.chunk_chars);
      list.push({ token: token, job: job, idx: i, total: total, chunk: chunk });
    }
    return list;
  }

  // The indices in a `job/ack`.
  function missing(csv) {
    var list = csv === "" ? [] : csv.split(",");
    for (var i = 0; i < list.length; i++) list[i] = Number(list[i]);
    return list;
  }

  // CRC-32 of an array of bytes, as `job/result` has it: eight hexadecimal digits.
  function crc32(bytes) {
    var crc = -1;
    for (var i = 0; i < bytes.length; i++) {
      crc ^= bytes[i] & 255;
      for (var bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xEDB88320 : crc >>> 1;
    }
    return ("0000000" + ((crc ^ -1) >>> 0).toString(16)).slice(-8);
  }

  // What the user should do about an error code, where no better text came with it.
  function advice(code) {
    return has(TABLE.errors, code) ? TABLE.errors[code] : TABLE.errors.internal;
  }

  return {
    TABLE: TABLE,
    encode: encode,
    decode: decode,
    percentEncode: percentEncode,
    percentDecode: percentDecode,
    toJson: toJson,
    fromJson: fromJson,
    parts: parts,
    missing: missing,
    crc32: crc32,
    advice: advice
  };
})();

if (typeof module !== "undefined" && module.exports) module.exports = StembridgeProtocol;
