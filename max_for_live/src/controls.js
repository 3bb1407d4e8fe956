// Generated from tools/device/controls.py by `make device`: change the table there.
/* global module */
var StembridgeControls = (function () {
  "use strict";

  // By name: kind; of a text its `columns`, letters that a line holds on average; of a menu `labels`, and `values` by
  // index; of a parameter its `initial` value (of a menu, an index).
  var TABLE = {
    "clip": {"kind": "text", "columns": 34},
    "facts": {"kind": "text", "columns": 39},
    "status1": {"kind": "text", "columns": 39},
    "status2": {"kind": "text", "columns": 39},
    "stage": {"kind": "text", "columns": 31},
    "percent": {"kind": "text", "columns": 6},
    "progress": {"kind": "bar", "low": 0, "high": 100},
    "convert": {"kind": "button"},
    "cancel": {"kind": "button"},
    "recording": {"kind": "menu", "labels": ["A Song", "Bass Alone", "Melody Alone", "Vocals Alone", "Drums Alone", "One Mix"], "values": ["song", "bass", "melody", "vocals", "drums", "mix"], "initial": 0},
    "parts": {"kind": "menu", "labels": ["All Parts", "Drums", "All but Drums", "Bass", "Melody", "Vocals"], "values": [["bass", "melody", "vocals", "drums"], ["drums"], ["bass", "melody", "vocals"], ["bass"], ["melody"], ["vocals"]], "initial": 0},
    "place": {"kind": "menu", "labels": ["Same as Clip", "Session", "Arrangement"], "values": [null, "session", "arrangement"], "initial": 0},
    "quantize": {"kind": "menu", "labels": ["Off", "1/4", "1/8", "1/8 Triplets", "1/16", "1/16 Triplets", "1/32"], "values": [null, "1/4", "1/8", "1/12", "1/16", "1/24", "1/32"], "initial": 0},
    "colour": {"kind": "menu", "labels": ["One per Part", "Same as Clip"], "values": ["part", "clip"], "initial": 0},
    "stems": {"kind": "toggle", "initial": 0},
    "components": {"kind": "toggle", "initial": 0},
    "pitch_bend": {"kind": "toggle", "initial": 0},
    "light": {"kind": "light"},
    "daemon": {"kind": "text", "columns": 27},
    "version": {"kind": "text", "columns": 16},
    "port": {"kind": "number", "initial": 0, "low": 0, "high": 65535}
  };

  // States of the light, as numbers.
  var LIGHT = {
    "off": 0,
    "on": 1,
    "busy": 2,
    "trouble": 3
  };

  return { TABLE: TABLE, LIGHT: LIGHT };
})();

if (typeof module !== "undefined" && module.exports) module.exports = StembridgeControls;
