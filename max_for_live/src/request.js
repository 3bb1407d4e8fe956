// From the selected clip and the device's controls to the request that the daemon gets (docs/reference/insert.md).
/* global module */
var StembridgeRequest = (function () {
  "use strict";

  var NUMBERS = [
    "sample_rate", "sample_length", "warping", "warp_mode", "start_marker", "end_marker", "loop_start", "loop_end",
    "looping", "is_arrangement_clip", "start_time", "end_time", "pitch_coarse", "pitch_fine", "gain", "color",
    "signature_numerator", "signature_denominator"
  ];
  // Without these no request makes sense.
  var NEEDED = ["sample_rate", "sample_length", "warping", "loop_start", "loop_end"];

  // Live gives warp markers as an array, or an object with one; [] if it doesn't say.
  function warpMarkers(clip) {
    var given = StembridgeLive.json(StembridgeLive.byId(clip).get("warp_markers"));
    return given instanceof Array ? given : given && given.warp_markers || [];
  }

  // Why a clip can't be converted, as a key of the texts; "" if it can.
  function refusal(clip, track, path) {
    var live = StembridgeLive;
    if (!clip) return "no-clip";
    if (!live.getNumber(clip, "is_audio_clip")) return "midi-clip";
    if (live.getNumber(clip, "is_recording")) return "recording";
    if (path === "") return "no-file";
    if (track && live.getNumber(track, "is_frozen")) return "frozen";
    if (StembridgeHost.isMissing(path)) return "missing-file";
    return "";
  }

  // What Live knows of the clip, in the words of the request.
  function facts(clip, track, path) {
    var live = StembridgeLive, api = live.byId(clip), song = live.song(), found = {}, request = {}, i;
    for (i = 0; i < NUMBERS.length; i++) {
      var value = live.number(api.get(NUMBERS[i]));
      if (isFinite(value)) found[NUMBERS[i]] = value;
    }
    for (i = 0; i < NEEDED.length; i++) if (!(NEEDED[i] in found)) return null;
    if (found.sample_rate < 1 || found.sample_length < 1) return null;
    for (var name in found) if (!/^(is_arrangement_clip|signature_)/.test(name)) request[name] = found[name];
    request.is_arrangement = found.is_arrangement_clip ? 1 : 0;
    request.signature = [found.signature_numerator || 4, found.signature_denominator || 4];
    if (found.warping) request.warp_markers = warpMarkers(clip);
    request.file_path = path;
    request.name = live.getText(clip, "name");
    request.tempo = live.getNumber(song, "tempo");
    request.track_name = track ? live.getText(track, "name") : "";
    request.track_index = track ? live.tracks().indexOf(track) : -1;
    request.scene_index = live.sceneOf(clip);
    request.live_version = live.version();
    return request;
  }

  // The options of the request, from the controls' values by name.
  function options(chosen) {
    var made = { recording: chosen.recording, stems: Boolean(chosen.stems), components: Boolean(chosen.components),
      pitch_bend: Boolean(chosen.pitch_bend) };
    if (chosen.recording === "song") made.parts = chosen.parts;
    if (chosen.quantize !== null) made.quantize = chosen.quantize;
    if (chosen.place !== null) made.place = chosen.place;
    return made;
  }

  // A clip from the Session goes to the Arrangement at the bar line at or before the playhead: the bars are the song's.
  function atPlayhead() {
    var live = StembridgeLive, song = live.song();
    var bar = (live.getNumber(song, "signature_numerator") || 4) * 4 / (live.getNumber(song, "signature_denominator") || 4);
    var now = live.getNumber(song, "current_song_time") || 0;
    return Math.max(0, Math.floor(now / bar + 1e-6) * bar);
  }

  // {refusal} with a key of the texts, or {request, clip, track, color, warnings}; warnings are keys of the texts.
  function read(chosen) {
    var live = StembridgeLive, clip = live.selectedClip();
    var track = clip ? live.trackOf(live.byId(clip)) : 0;
    var path = clip && live.getNumber(clip, "is_audio_clip") ? live.getText(clip, "file_path") : "";
    var refused = refusal(clip, track, path);
    if (refused) return { refusal: refused };
    var request = facts(clip, track, path);
    if (request === null) return { refusal: "unreadable-clip" };
    if (request.warping && request.warp_markers.length < 2) return { refusal: "no-markers" };
    request.options = options(chosen);
    if (!request.is_arrangement && chosen.place === "arrangement") request.start_time = atPlayhead();
    var warnings = [];
    if (live.getText(live.song(), "file_path") === "") warnings.push("unsaved");
    if (!request.warping) warnings.push("unwarped");
    return { request: request, clip: clip, track: track, color: request.color, warnings: warnings };
  }

  // What the display says of a clip: {name, facts}.
  function shown(clip) {
    var live = StembridgeLive;
    var api = live.byId(clip), audio = live.number(api.get("is_audio_clip"));
    var where = live.number(api.get("is_arrangement_clip")) ? "Arrangement" : "Session";
    if (!audio) return { name: live.text(api.get("name")), facts: where + ", MIDI" };
    var warped = live.number(api.get("warping"));
    var length = live.number(api.get("loop_end")) - live.number(api.get("loop_start"));
    if (isFinite(length)) length = Math.round(length * 100) / 100 + (warped ? " beats" : " s");
    return { name: live.text(api.get("name")), facts: where + (warped ? ", warped, " : ", not warped, ") + length };
  }

  return { read: read, shown: shown, warpMarkers: warpMarkers };
})();

if (typeof module !== "undefined" && module.exports) module.exports = StembridgeRequest;
