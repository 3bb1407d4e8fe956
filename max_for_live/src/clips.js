// Making clips on tracks, as far as this version of Live can: what it can is asked of its objects, not of its version.
/* global module */
var StembridgeClips = (function () {
  "use strict";

  var live = StembridgeLive;
  // Notes that one call reads back: Live gives about 200 characters for each, and Max's symbols end at 32,767.
  var READ_NOTES = 100;
  // Copies of a stem that are put into the Arrangement one after the other, at most: each takes Live up to 50 ms.
  var MOST_PIECES = 64;
  // Beats of two warp maps that count as the same; what is a number's rounding only, in beats or seconds.
  var SAME_WARP = 0.01, ROUNDING = 1e-6;

  // A slot of a track's for a row of insert.json: its scene, else the first.
  function slotFor(track, row) {
    var slots = live.getIds(track, "clip_slots");
    return slots[row.place === "session" && row.scene >= 0 && row.scene < slots.length ? row.scene : 0] || 0;
  }

  function clipIn(slot) {
    return slot && live.getNumber(slot, "has_clip") ? live.idOf(live.byId(slot).get("clip")) : 0;
  }

  // The Arrangement clip of a track that begins at a beat; its call's return value can't be relied on.
  function clipAt(track, start) {
    var clips = live.getIds(track, "arrangement_clips");
    for (var i = 0; i < clips.length; i++) {
      if (Math.abs(live.getNumber(clips[i], "start_time") - start) < live.SAME) return clips[i];
    }
    return 0;
  }

  // Keeps the id of a clip among those of its row, by which they are told from the user's.
  function noted(row, clip) {
    if (clip) row.made.push(clip);
    return clip;
  }

  function emptySlotClip(slot, row) {
    if (slot) live.byId(slot).call("create_clip", row.length_beats);
    return noted(row, clipIn(slot));
  }

  function removeSlotClip(slot) {
    if (clipIn(slot)) live.byId(slot).call("delete_clip");
  }

  // Puts a copy of a Session clip into the Arrangement of its track.
  function copyToArrangement(track, clip, start, row) {
    live.byId(track).call("duplicate_clip_to_arrangement", "id " + clip, start);
    return noted(row, clipAt(track, start));
  }

  // Id of a new empty MIDI clip for a row; 0 if Live made none.
  function midiClip(track, row) {
    var slot = slotFor(track, row);
    if (row.place === "session") return emptySlotClip(slot, row);
    if (live.has(live.byId(track), "create_midi_clip")) {
      live.byId(track).call("create_midi_clip", row.start_time, row.length_beats);
      return noted(row, clipAt(track, row.start_time));
    }
    var helper = emptySlotClip(slot, row);
    var made = helper ? copyToArrangement(track, helper, row.start_time, row) : 0;
    removeSlotClip(slot);
    return made;
  }

  // Sets a start and an end of which the start must always be the lower one.
  function setRange(clip, startName, endName, start, end) {
    if (end > live.getNumber(clip, startName)) live.set(clip, endName, end);
    live.set(clip, startName, start);
    live.set(clip, endName, end);
  }

  function setMarkers(clip, row) {
    setRange(clip, "start_marker", "end_marker", row.start_marker, row.end_marker);
  }

  function hasAll(clip, row, names) {
    for (var i = 0; i < names.length; i++) {
      if (Math.abs(live.getNumber(clip, names[i]) - row[names[i]]) > live.SAME) return false;
    }
    return true;
  }

  // Markers, loop and signature of a row. Whether Live took all of them.
  function layOut(clip, row) {
    live.set(clip, "signature_numerator", row.signature[0]);
    live.set(clip, "signature_denominator", row.signature[1]);
    if (row.looping) {
      live.set(clip, "looping", 1);
      setRange(clip, "loop_start", "loop_end", row.loop_start, row.loop_end);
    } else {  // then the loop's members are the clip's edges, and are the same as the markers
      live.set(clip, "looping", 0);
      setRange(clip, "loop_start", "loop_end", row.start_marker, row.end_marker);
    }
    setMarkers(clip, row);
    return hasAll(clip, row, ["start_marker", "end_marker", "loop_start", "loop_end", "looping"]);
  }

  function dress(clip, name, color) {
    live.set(clip, "name", name);
    live.set(clip, "color", color);
  }

  // Notes

  function addNotes(clip, notes) {
    live.byId(clip).call("add_new_notes", { notes: notes });
  }

  // Whether this Live can say which notes a clip has.
  function canReadNotes(clip) {
    return live.has(live.byId(clip), "get_notes_extended");
  }

  // The notes in a clip from beat `from` to before `to`; null if Live doesn't say.
  function notesBetween(clip, from, to) {
    var given = live.json(live.byId(clip).call("get_notes_extended", 0, 128, from, to - from));
    return given && given.notes || null;
  }

  function keyOf(note) {
    return note.pitch + "@" + Math.round(note.start_time * 1000);
  }

  // Those of `notes`, which are in order of time, that the clip doesn't have; null if Live doesn't say.
  function missingNotes(clip, notes) {
    var missing = [], first = 0, from = notes.length ? Math.max(0, notes[0].start_time - 1) : 0;
    while (first < notes.length) {
      var end = Math.min(first + READ_NOTES, notes.length);
      while (end < notes.length && notes[end].start_time - notes[end - 1].start_time < live.SAME) end += 1;
      var to = end < notes.length ? (notes[end - 1].start_time + notes[end].start_time) / 2 : notes[end - 1].start_time + 1;
      var found = notesBetween(clip, from, to), there = {}, i;
      if (found === null) return null;
      for (i = 0; i < found.length; i++) there[keyOf(found[i])] = true;
      for (i = first; i < end; i++) {
        // Live may round a time up or down by less than is looked at.
        if (!there[keyOf(notes[i])] && !isNear(there, notes[i])) missing.push(notes[i]);
      }
      first = end;
      from = to;
    }
    return missing;
  }

  function isNear(there, note) {
    var place = Math.round(note.start_time * 1000);
    return Boolean(there[note.pitch + "@" + (place - 1)] || there[note.pitch + "@" + (place + 1)]);
  }

  // Audio

  // Whether this Live makes audio clips from a path.
  function canMakeAudio() {
    var tracks = live.tracks();
    var slots = tracks.length ? live.getIds(tracks[0], "clip_slots") : [];
    return slots.length > 0 && live.has(live.byId(slots[0]), "create_audio_clip");
  }

  // Id of a new audio clip in a slot of the track; 0 if Live made none.
  function audioClip(track, row) {
    var slot = slotFor(track, row);
    if (slot) live.byId(slot).call("create_audio_clip", row.path);
    return noted(row, clipIn(slot));
  }

  // The beat of a second of the file by warp markers, which Live goes on with beyond their ends.
  function beatAt(markers, second) {
    var i = 1;
    while (i < markers.length - 1 && markers[i].sample_time <= second) i += 1;
    var a = markers[i - 1], b = markers[i];
    return a.beat_time + (second - a.sample_time) * (b.beat_time - a.beat_time) / (b.sample_time - a.sample_time);
  }

  // Sets warp markers where Live has put some of its own. The first of them can't be removed and may lie anywhere: it is
  // moved to where the wanted ones have it. The last one is hidden and not to be touched.
  function setWarp(clip, wanted, now) {
    var api = live.byId(clip), first = now[0], i;
    if (live.has(api, "remove_warp_marker")) {
      for (i = now.length - 2; i > 0; i--) api.call("remove_warp_marker", now[i].beat_time);
    }
    var away = beatAt(wanted, first.sample_time) - first.beat_time;
    if (Math.abs(away) > ROUNDING) api.call("move_warp_marker", first.beat_time, away);
    for (i = 0; i < wanted.length; i++) {
      if (Math.abs(wanted[i].sample_time - first.sample_time) > ROUNDING) api.call("add_warp_marker", wanted[i]);
    }
  }

  // Whether two maps agree on all that lies between the ends of the first: both bend at their markers only.
  function isSameWarp(wanted, now) {
    var all = wanted.concat(now), last = wanted[wanted.length - 1].sample_time;
    for (var i = 0; i < all.length; i++) {
      var second = all[i].sample_time, isInside = second >= wanted[0].sample_time && second <= last;
      if (isInside && !(Math.abs(beatAt(now, second) - beatAt(wanted, second)) <= SAME_WARP)) return false;
    }
    return true;
  }

  // Gives a new clip, which Live warped as it saw fit, the warp markers of a row. Whether it has them.
  function warp(clip, row) {
    var wanted = [], now = StembridgeRequest.warpMarkers(clip);
    for (var i = 0; i < row.warp_markers.length; i++) {
      wanted.push({ sample_time: row.warp_markers[i][0], beat_time: row.warp_markers[i][1] });
    }
    if (now.length < 2 || wanted.length < 2) return false;
    if (live.has(live.byId(clip), "add_warp_marker")) setWarp(clip, wanted, now);
    now = StembridgeRequest.warpMarkers(clip);
    return now.length >= 2 && isSameWarp(wanted, now);
  }

  // What an audio clip sounds in the Arrangement, piece by piece: [from, to, at], from and to in its own units.
  function pieces(row) {
    var from = row.start_marker, list = [], at = row.start_time, end = row.end_time;
    if (!row.warping) return [[row.start_marker, row.end_marker, at]];
    if (!row.looping || from >= row.loop_end) return [[from, from + end - at, at]];
    while (end - at > live.SAME && list.length <= MOST_PIECES) {
      var to = Math.min(row.loop_end, from + end - at);
      list.push([from, to, at]);
      at += to - from;
      from = row.loop_start;
    }
    return list;
  }

  // Moves a Session clip into the Arrangement, as many copies of it as it sounds pieces. Their ids; [] if that can't be.
  function audioToArrangement(track, clip, row) {
    var list = pieces(row), made = [];
    if (list.length > MOST_PIECES) return [];
    for (var i = 0; i < list.length; i++) {
      setRange(clip, "loop_start", "loop_end", list[i][0], list[i][1]);
      setRange(clip, "start_marker", "end_marker", list[i][0], list[i][1]);
      var copy = copyToArrangement(track, clip, list[i][2], row);
      if (!copy) return [];
      made.push(copy);
    }
    removeSlotClip(slotFor(track, row));
    return made;
  }

  return {
    midiClip: midiClip,
    layOut: layOut,
    dress: dress,
    addNotes: addNotes,
    canReadNotes: canReadNotes,
    missingNotes: missingNotes,
    canMakeAudio: canMakeAudio,
    audioClip: audioClip,
    warp: warp,
    audioToArrangement: audioToArrangement
  };
})();

if (typeof module !== "undefined" && module.exports) module.exports = StembridgeClips;
