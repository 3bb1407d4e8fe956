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
    var queue = [], made = [], before = null, given = 0, waited = "", asked = 0, detail = 0, began = false, hasAudio = false;

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

    // The track's id, 0 as long as it isn't there. What is done with it must be done in the same tick: another device that
    // waits for a track of its own takes one that is still empty.
    function track(kind) {
      if (before === null) {
        before = live.tracks();
        asked = clock();
        waited = kind;
        given = live.askTrack(kind, nextIndex(before));
      }
      return arrived() || late();
    }

    // The id of the track that Live was asked for, if it is there: if Live said which one that is, no other one is taken.
    function arrived() {
      var id = given || live.freshTrack(waited, before, source.track);
      if (live.tracks().indexOf(id) < 0) return 0;
      made.push(id);
      before = null;
      disarm(id);
      return id;
    }

    function isLate() {
      return clock() - asked > TRACK_MS;
    }

    function late() {
      if (isLate()) throw StembridgeResult.failure("no-track");
      return 0;
    }

    function disarm(id) {
      if (live.getNumber(id, "can_be_armed") && live.getNumber(id, "arm")) live.set(id, "arm", 0);
    }

    function midiClip(row) {
      return function () {
        row.track = track("midi");
        if (!row.track) return false;
        row.clip = clips.midiClip(row.track, row);
        if (!row.clip) throw StembridgeResult.failure("no-place");
        clips.dress(row.clip, row.name, color(row));
        finishTrack(row);
        return true;
      };
    }

    function finishTrack(row) {
      clips.dress(row.track, row.name, color(row));
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

    // Reads the notes back; what Live didn't take is added once more, in as many ticks as that needs.
    function check(row) {
      var again = null;
      return function () {
        if (!clips.canReadNotes(row.clip)) {
          warn("'" + row.name + "': Live can't tell which notes it took.");
          job.notes += row.list.length;
          return true;
        }
        if (again !== null && again.length) {
          clips.addNotes(row.clip, again.splice(0, BATCH));
          return false;
        }
        var missing = clips.missingNotes(row.clip, row.list);
        if (missing === null) throw StembridgeResult.failure("unread-notes");
        if (again === null && missing.length) {
          again = missing;
          return false;
        }
        count(row, row.list.length - missing.length);
        return true;
      };
    }

    function count(row, kept) {
      if (row.list.length && !kept) throw StembridgeResult.failure("no-notes");
      if (kept < row.list.length) warn("'" + row.name + "': Live took " + kept + " of " + row.list.length + " notes.");
      job.notes += kept;
    }

    function midiSteps(row) {
      queue.push(midiClip(row));
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
        return row.track > 0 && audioClip(row);
      }, audioStep(row, audioSettled), audioStep(row, audioPlaced));
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
      if (!holdsOthers(row.track) && live.deleteTrack(row.track)) made.splice(made.indexOf(row.track), 1);
      return true;
    }

    // Whether a track has clips that this job didn't make: then it stays.
    function holdsOthers(track) {
      var list = live.tracks().indexOf(track) >= 0 ? live.clipsOf(track) : [], ours = [], i;
      for (i = 0; i < result.rows.length; i++) ours = ours.concat(result.rows[i].made);
      for (i = 0; i < list.length; i++) if (ours.indexOf(list[i]) < 0) return true;
      return false;
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
      for (var i = 0; i < made.length; i++) disarm(made[i]);  // Live may have armed them only now
      selection()();
      end("done");
      return true;
    }

    // Removes this job's tracks; one that Live was asked for and hasn't made yet is waited for.
    function rollBack() {
      if (before !== null && !arrived() && !isLate()) return;
      var restore = selection();
      for (var i = made.length - 1; i >= 0; i--) {
        if (holdsOthers(made[i])) job.fault = "kept-yours";
        else if (!live.deleteTrack(made[i])) job.fault = "left-behind";
      }
      restore();
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

    // The device is being removed, and nothing will wait any more: what can be taken back now is.
    job.abandon = function () {
      job.stop("");
      asked = -Infinity;
      job.tick();
    };

    queue.push(begin);
    for (var i = 0; i < result.rows.length; i++) {
      result.rows[i].made = [];  // ids of the clips that are made for it
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
