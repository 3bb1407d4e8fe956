// Inserting a result, a step at a time so that Live and the display go on between them. Either all of it is there in the
// end, or nothing: if Live refuses something, or the user cancels, the tracks made for this job are removed again.
/* global module */
var StembridgeInsert = (function () {
  "use strict";

  var live = StembridgeLive, clips = StembridgeClips;
  // Notes added in one call.
  var BATCH = 500;
  // How long Live may take until a new track is there, and until it has switched a clip's warping (ms).
  var TRACK_MS = 10000, WARP_MS = 2000;

  // `result`: from StembridgeResult.reader; `source`: {track, color, index}; `takesColor`: new clips have the source's.
  function create(result, source, takesColor, clock) {
    var job = { state: "working", fault: "", step: 0, steps: 0, clips: 0, notes: 0, warnings: result.warnings.slice(0),
      shown: [] };
    var queue = [], made = [], before = null, asked = 0, at = 0, detail = 0, began = false, hasAudio = false;

    function color(row) {
      return takesColor ? source.color : row.color;
    }

    function warn(text) {
      job.warnings.push(text);
    }

    // Steps. Each gives whether it is finished; if not, it is called again.

    function begin() {
      live.beginUndoStep();
      began = true;
      hasAudio = clips.canMakeAudio();
      detail = live.detailClip();
      return true;
    }

    // Where the next track goes: after this job's last one, the first after the source's, or where that was.
    function nextIndex(tracks) {
      var index = tracks.indexOf(made.length ? made[made.length - 1] : source.track);
      return index >= 0 ? index + 1 : Math.min(source.index + 1, tracks.length);
    }

    // The track's id, 0 as long as it isn't there.
    function track(kind) {
      if (before === null) {
        before = live.tracks();
        at = nextIndex(before);
        asked = clock();
        kept(live.createTrack(kind, at, before));
      } else {
        kept(live.newTrack(before, at));
      }
      if (before !== null && clock() - asked > TRACK_MS) throw StembridgeResult.failure("no-track");
      return before === null ? made[made.length - 1] : 0;
    }

    function kept(id) {
      if (!id) return;
      made.push(id);
      before = null;
      disarm(id);
    }

    function disarm(id) {
      if (live.getNumber(id, "can_be_armed") && live.getNumber(id, "arm")) live.set(id, "arm", 0);
    }

    function midiTrack(row) {
      return function () {
        row.track = track("midi");
        return row.track > 0;
      };
    }

    function midiClip(row) {
      return function () {
        row.clip = clips.midiClip(row.track, row);
        if (!row.clip) throw StembridgeResult.failure("no-place");
        clips.dress(row.clip, row.name, color(row));
        finishTrack(row);
        return true;
      };
    }

    function finishTrack(row) {
      clips.dress(row.track, row.name, color(row));
      disarm(row.track);  // Live may have armed it only now
      job.clips += 1;
    }

    function noteBatch(row, first) {
      return function () {
        clips.addNotes(row.clip, row.list.slice(first, first + BATCH));
        return true;
      };
    }

    function layOut(row) {
      return function () {
        if (!clips.layOut(row.clip, row)) warn("Check loop and markers of '" + row.name + "'.");
        return true;
      };
    }

    // Reads the notes back; what Live didn't take is added once more.
    function check(row) {
      return function () {
        var missing = clips.missingNotes(row.clip, row.list);
        if (missing !== null && missing.length) {
          clips.addNotes(row.clip, missing);
          missing = clips.missingNotes(row.clip, row.list);
        }
        var kept = row.list.length - (missing === null ? 0 : missing.length);
        if (row.list.length && !kept) throw StembridgeResult.failure("no-notes");
        if (kept < row.list.length) warn("'" + row.name + "': Live took " + kept + " of " + row.list.length + " notes.");
        job.notes += kept;
        return true;
      };
    }

    function midiSteps(row) {
      queue.push(midiTrack(row), midiClip(row));
      for (var first = 0; first < row.list.length; first += BATCH) queue.push(noteBatch(row, first));
      queue.push(layOut(row), check(row));
    }

    // A stem that can't be inserted is no reason to do without the notes: the user is told where it is.

    function audioSteps(row) {
      queue.push(function () {
        if (!hasAudio) {
          job.shown.push(row.path);
          return true;
        }
        row.track = track("audio");
        return row.track > 0;
      }, audioStep(row, audioClip), audioStep(row, audioSettled), audioStep(row, audioPlaced));
    }

    function audioStep(row, step) {
      return function () {
        return !row.track || row.isOff || step(row);
      };
    }

    function audioClip(row) {
      row.clip = clips.audioClip(row.track, row);
      if (!row.clip) return giveUp(row);
      live.set(row.clip, "warping", row.warping ? 1 : 0);
      asked = clock();
      return true;
    }

    // Live switches warping some time after it was told to.
    function audioSettled(row) {
      if (Boolean(live.getNumber(row.clip, "warping")) === row.warping) return true;
      return clock() - asked > WARP_MS ? giveUp(row) : false;
    }

    function audioPlaced(row) {
      if (row.warping) {
        live.set(row.clip, "warp_mode", row.warp_mode);
        if (!clips.warp(row.clip, row)) return giveUp(row);
      }
      live.set(row.clip, "pitch_coarse", row.pitch_coarse);
      live.set(row.clip, "pitch_fine", row.pitch_fine);
      live.set(row.clip, "gain", row.gain);
      var isSession = row.place === "session";
      if (isSession && !clips.layOut(row.clip, row)) warn("Check loop and markers of '" + row.name + "'.");
      if (!isSession) live.set(row.clip, "looping", 0);
      var list = isSession ? [row.clip] : clips.audioToArrangement(row.track, row.clip, row);
      if (!list.length) return giveUp(row);
      for (var i = 0; i < list.length; i++) clips.dress(list[i], row.name, color(row));
      finishTrack(row);
      return true;
    }

    function giveUp(row) {
      row.isOff = true;
      job.shown.push(row.path);
      if (live.deleteTrack(row.track)) made.splice(made.indexOf(row.track), 1);
      return true;
    }

    // Ends

    function end(state) {
      if (began) live.endUndoStep();
      began = false;
      job.state = state;
    }

    // Live shows what was made last. Gives a function that shows again what the user had before, unless that is something
    // that the user has chosen meanwhile.
    function selection() {
      var now = live.detailClip(), isOurs = !now || made.indexOf(live.trackOf(live.byId(now))) >= 0;
      return function () {
        if (detail && isOurs && now !== detail) live.showClip(detail);
      };
    }

    function finish() {
      selection()();
      end("done");
      return true;
    }

    // Removes this job's tracks; one that Live was asked for and hasn't made yet is waited for.
    function rollBack() {
      if (before !== null) {
        kept(live.newTrack(before, at));
        if (before !== null && clock() - asked <= TRACK_MS) return;
      }
      var left = 0, restore = selection();
      for (var i = made.length - 1; i >= 0; i--) if (!live.deleteTrack(made[i])) left += 1;
      restore();
      if (left) job.fault = "left-behind";
      end(job.fault ? "failed" : "cancelled");
    }

    job.tick = function () {
      try {
        if (job.state === "undoing") rollBack();
        else if (job.state === "working" && queue[job.step]()) job.step += 1;
      } catch (error) {
        StembridgeHost.log("inserting: " + error.message);
        if (job.state === "undoing") {
          job.fault = "left-behind";
          end("failed");
        } else {
          job.fault = error.key || "broken";
          job.state = "undoing";
        }
      }
    };

    // Ends it early; without a fault it is the user who wants that.
    job.stop = function (fault) {
      if (job.state !== "working") return;
      job.fault = fault;
      job.state = "undoing";
    };

    queue.push(begin);
    for (var i = 0; i < result.rows.length; i++) {
      if (result.rows[i].kind === "midi") midiSteps(result.rows[i]);
      else audioSteps(result.rows[i]);
    }
    queue.push(finish);
    job.steps = queue.length;
    return job;
  }

  return { create: create };
})();

if (typeof module !== "undefined" && module.exports) module.exports = StembridgeInsert;
