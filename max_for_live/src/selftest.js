// Prints to the Max window what can't be known without Live: versions, what Live's objects can do, how paths look. For
// people who look into a problem; nothing is changed.
/* global module */
var StembridgeSelfTest = (function () {
  "use strict";

  var PATHS = ["live_app", "live_set", "live_set view", "live_set tracks 0", "live_set tracks 0 clip_slots 0"];

  // The functions that an object says it has.
  function functions(api) {
    return (String(api.info).match(/function \w+/g) || []).join(" ").replace(/function /g, "");
  }

  function run(folder) {
    var live = StembridgeLive, say = StembridgeHost.log;
    say("device " + StembridgeBuild.version + " " + StembridgeBuild.stamp + ", Live " + live.version() + ", Max " +
      StembridgeHost.maxVersion() + ", " + StembridgeHost.system());
    say("folder of the device: " + folder + ", stembridge.json: " + StembridgeHost.size(folder + "stembridge.json") + " bytes");
    for (var i = 0; i < PATHS.length; i++) say(PATHS[i] + ": " + functions(live.at(PATHS[i])));
    var clip = live.selectedClip();
    if (!clip) {
      say("no clip is selected");
      return;
    }
    var api = live.byId(clip), path = live.text(api.get("file_path"));
    say("clip: " + String(api.info).replace(/\s+/g, " "));
    say("file_path as Live gives it: " + JSON.stringify(api.get("file_path")) + ", " + StembridgeHost.size(path) + " bytes");
    var markers = JSON.stringify(api.get("warp_markers"));
    say("warp_markers as Live gives them, " + markers.length + " characters: " + markers.substr(0, 500));
    say("start_marker " + live.number(api.get("start_marker")) + ", loop_start " + live.number(api.get("loop_start")) +
      ", warping " + live.number(api.get("warping")));
  }

  return { run: run };
})();

if (typeof module !== "undefined" && module.exports) module.exports = StembridgeSelfTest;
