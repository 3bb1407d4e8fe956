// The only place that uses LiveAPI. Live's calls don't throw when they fail and their objects go stale, so everything is
// known by its id and looked up anew each time, and what matters is read again after it was written.
/* global module, LiveAPI */
var StembridgeLive = (function () {
  "use strict";

  // Beats or seconds that count as the same when read back.
  var SAME = 1e-3;

  function byId(id) {
    return new LiveAPI("id " + id);
  }

  function at(path) {
    return new LiveAPI(path);
  }

  // LiveAPI gives arrays, and strings in them that are quoted or split at spaces.
  function text(value) {
    var whole = value && value.join ? value.join(" ") : value === null || value === undefined ? "" : String(value);
    return whole.replace(/^"([\s\S]*)"$/, "$1");
  }

  // What is in the JSON that Live gives of some things, which Max may have put into quotes; null if it is none.
  function json(value) {
    var given = text(value), tries = [given, given.replace(/\\"/g, "\"")];
    for (var i = 0; i < tries.length; i++) {
      try {
        return JSON.parse(tries[i]);
      } catch (error) { /* the next shape */ }
    }
    return null;
  }

  function number(value) {
    return Number(value && value.join ? value[0] : value);
  }

  // The ids in ["id", 3, "id", 5] or "id 3": what children and calls give. 0, which is nothing, is left out.
  function ids(value) {
    var words = (value && value.join ? value.join(" ") : String(value)).split(/\s+/), list = [];
    for (var i = 0; i + 1 < words.length; i++) {
      if (words[i] === "id" && Number(words[i + 1]) > 0) list.push(Number(words[i + 1]));
    }
    return list;
  }

  function idOf(value) {
    var list = ids(value);
    return list.length ? list[0] : 0;
  }

  function isThere(api) {
    return Boolean(api) && Number(api.id) > 0;
  }

  function has(api, name) {
    return new RegExp("function " + name + "\\b").test(String(api.info));
  }

  function getText(id, property) {
    return text(byId(id).get(property));
  }

  function getNumber(id, property) {
    return number(byId(id).get(property));
  }

  function getIds(id, property) {
    return ids(byId(id).get(property));
  }

  // Whether Live took it is for the caller to look at, where it matters.
  function set(id, property, value) {
    byId(id).set(property, value);
  }

  // Finding things

  function song() {
    return Number(at("live_set").id);
  }

  function tracks() {
    return ids(at("live_set").get("tracks"));
  }

  // The track that an object is on, however deep in Racks, slots or take lanes; 0 if it isn't on one.
  function trackOf(api) {
    for (var depth = 0; depth < 32 && isThere(api); depth++) {
      if (api.type === "Track") return Number(api.id);
      var parent = idOf(api.get("canonical_parent"));
      if (!parent) return 0;
      api = byId(parent);
    }
    return 0;
  }

  function ownTrack() {
    return trackOf(at("this_device"));
  }

  // Id of the clip that is meant: in Detail View, else in the highlighted slot, else playing on the device's own track.
  function selectedClip() {
    var detail = detailClip();
    if (detail) return detail;
    var slot = idOf(at("live_set view").get("highlighted_clip_slot"));
    var inSlot = slot && getNumber(slot, "has_clip") ? idOf(byId(slot).get("clip")) : 0;
    if (inSlot) return inSlot;
    var own = ownTrack();
    if (tracks().indexOf(own) < 0) return 0;  // Return tracks and the main track have no slots
    var playing = getNumber(own, "playing_slot_index");
    var slots = getIds(own, "clip_slots");
    return playing >= 0 && playing < slots.length ? idOf(byId(slots[playing]).get("clip")) : 0;
  }

  // Scene of a Session clip, counted from 0; -1 of others.
  function sceneOf(clip) {
    var api = byId(clip);
    var found = /clip_slots (\d+)/.exec(String(api.unquotedpath || text(api.path)));
    return found ? Number(found[1]) : -1;
  }

  function detailClip() {
    return idOf(at("live_set view").get("detail_clip"));
  }

  function showClip(id) {
    at("live_set view").set("detail_clip", "id " + id);
  }

  function version() {
    var app = at("live_app");
    var parts = ["get_major_version", "get_minor_version", "get_bugfix_version"];
    for (var i = 0; i < parts.length; i++) parts[i] = number(app.call(parts[i])) || 0;
    return parts.join(".");
  }

  // Changing things

  function beginUndoStep() {
    try { at("live_set").call("begin_undo_step"); } catch (error) { /* then Live makes steps as it likes */ }
  }

  function endUndoStep() {
    try { at("live_set").call("end_undo_step"); } catch (error) { /* as above */ }
  }

  // Asks for a track at an index; gives the id that it has, or will have, 0 if Live doesn't say.
  function askTrack(kind, index) {
    return idOf(at("live_set").call(kind === "midi" ? "create_midi_track" : "create_audio_track", index));
  }

  // The clips in a track's slots and in the Arrangement.
  function clipsOf(track) {
    var list = getIds(track, "arrangement_clips"), slots = getIds(track, "clip_slots");
    for (var i = 0; i < slots.length; i++) if (getNumber(slots[i], "has_clip")) list.push(idOf(byId(slots[i]).get("clip")));
    return list;
  }

  function isFresh(track, kind) {
    return getNumber(track, kind === "midi" ? "has_midi_input" : "has_audio_input") > 0 &&
      !getIds(track, "devices").length && !clipsOf(track).length;
  }

  // The first track of a kind that wasn't there before, lies after the track `after` and has nothing on it; 0 if there is
  // none. One with something on it is the user's, or another device's, which fills its own at once.
  function freshTrack(kind, before, after) {
    var now = tracks();
    for (var i = now.indexOf(after) + 1; i < now.length; i++) {
      if (before.indexOf(now[i]) < 0 && isFresh(now[i], kind)) return now[i];
    }
    return 0;
  }

  // Whether it is gone.
  function deleteTrack(id) {
    var index = tracks().indexOf(id);
    if (index >= 0) at("live_set").call("delete_track", index);
    return tracks().indexOf(id) < 0;
  }

  return {
    SAME: SAME,
    byId: byId,
    at: at,
    text: text,
    json: json,
    number: number,
    idOf: idOf,
    has: has,
    getText: getText,
    getNumber: getNumber,
    getIds: getIds,
    set: set,
    song: song,
    tracks: tracks,
    trackOf: trackOf,
    selectedClip: selectedClip,
    sceneOf: sceneOf,
    detailClip: detailClip,
    showClip: showClip,
    version: version,
    beginUndoStep: beginUndoStep,
    endUndoStep: endUndoStep,
    askTrack: askTrack,
    clipsOf: clipsOf,
    freshTrack: freshTrack,
    deleteTrack: deleteTrack
  };
})();

if (typeof module !== "undefined" && module.exports) module.exports = StembridgeLive;
