// A job's insert.json and the notes that it names, read and checked before anything in the Set is touched.
/* global module */
var StembridgeResult = (function () {
  "use strict";

  var SCHEMA = 1;

  function failure(key) {
    var error = new Error(key);
    error.key = key;
    return error;
  }

  // The object in a file of the result; throws with a key of the texts.
  function load(path, crc32) {
    var found = StembridgeHost.json(path, crc32);
    if (found.fault === "missing") throw failure("result-gone");
    if (found.fault) throw failure("result-changed");
    if (found.value.schema !== SCHEMA) throw failure("result-newer");
    return found.value;
  }

  // The MIDI clips first need their notes: `rows` are insert.json's clips, with `path` decoded, and `notes` a list. Stems
  // come after their part's MIDI, so that their tracks lie beside each other.
  function rows(clips) {
    var list = [];
    for (var i = 0; i < clips.length; i++) {
      clips[i].path = StembridgeProtocol.percentDecode(clips[i].path);
      if (clips[i].kind === "midi" || !hasMidi(clips, clips[i].part)) list.push(clips[i]);
      if (clips[i].kind === "midi") append(list, stemsOf(clips, clips[i].part));
    }
    return list;
  }

  function stemsOf(clips, part) {
    var list = [];
    for (var i = 0; i < clips.length; i++) if (clips[i].kind === "audio" && clips[i].part === part) list.push(clips[i]);
    return list;
  }

  function hasMidi(clips, part) {
    for (var i = 0; i < clips.length; i++) if (clips[i].kind === "midi" && clips[i].part === part) return true;
    return false;
  }

  function append(list, more) {
    for (var i = 0; i < more.length; i++) list.push(more[i]);
  }

  // Reads a result a file at a time: `step()` until it gives true, then `rows` and `warnings` are there.
  function reader(path, crc32) {
    var made = { rows: null, warnings: [] }, next = 0;
    made.step = function () {
      if (made.rows === null) {
        var insert = load(path, crc32);
        made.rows = rows(insert.clips);
        made.warnings = insert.warnings || [];
        return made.rows.length === 0;
      }
      var row = made.rows[next];
      if (row.kind === "midi") {
        row.list = load(StembridgeProtocol.percentDecode(row.notes_path), row.notes_crc32).notes;
      }
      next += 1;
      return next >= made.rows.length;
    };
    return made;
  }

  return { failure: failure, reader: reader };
})();

if (typeof module !== "undefined" && module.exports) module.exports = StembridgeResult;
