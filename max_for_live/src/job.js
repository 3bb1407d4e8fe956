// One conversion after the other, from Convert to tracks in the Set. What is said in each state, and on leaving it, is in
// `said`: keys of the texts, or texts.
//
//   idle --convert--> connecting --> sending --> running --> reading --> inserting --> idle
// From each of them an error, or cancel (by way of `cancelling` where the daemon or Live have to be waited for), leads back
// to idle. In sending and running the daemon may go and come back.
/* global module */
var StembridgeJob = (function () {
  "use strict";

  var LIMITS = StembridgeProtocol.TABLE.limits;
  // Parts sent in one go, so that nothing on the way overflows.
  var BURST = 32;
  // A part that was sent less than this ago may still be on its way (ms).
  var ON_ITS_WAY_MS = 250;
  // How a request is sent again once the protocol's gaps are used up, and how long an answer to cancel is waited for (ms).
  var AGAIN_MS = 5000, CANCEL_MS = 6000;
  // Jobs that were cancelled while the daemon was silent: told to it when it is back, until it says that they ended.
  var MOST_ORPHANS = 32;

  function create(link, clock) {
    var job = { state: "idle", said: ["looking"], stage: "", percent: 0, hasEnded: false, endedAt: 0, isGood: true };
    var count = 0, name = "", source = null, parts = [], outgoing = [], sentAt = [], takesColor = false;
    var seq = 0, sent = 0, tries = 0, since = 0, welcomes = 0;
    var isUnsure = false, isWaiting = false, reader = null, insertion = null, orphans = [], orphanWelcomes = 0;

    function enter(state, said) {
      job.state = state;
      job.said = said;
      job.stage = "";
      job.percent = 0;
      isWaiting = false;
      since = clock();
      tries = 0;
      link.busy = state !== "idle";
    }

    // `hasEnded`: there is something to be read about it, until something else happens.
    function finish(said, isGood) {
      enter("idle", said);
      job.isGood = isGood;
      job.hasEnded = true;
      job.endedAt = since;
      name = "";
      source = reader = insertion = null;
      parts = outgoing = [];
    }

    function fail(said) {
      StembridgeHost.log(StembridgeTexts.plain(said));
      finish(said, false);
    }

    // Sending

    function send(message, values) {
      values.job = name;
      link.send(message, values);
    }

    function gap() {
      return tries < LIMITS.resend_gaps_s.length ? LIMITS.resend_gaps_s[tries] * 1000 : AGAIN_MS;
    }

    function sendParts() {
      for (var i = 0; i < BURST && outgoing.length; i++) {
        var index = outgoing.shift();
        sentAt[index] = clock();
        link.send("job/part", parts[index]);
      }
      sent = clock();
    }

    // Parts that the daemon lacks, to be sent with the next tick.
    function sendMissing(indices) {
      for (var i = 0; i < indices.length; i++) {
        var index = indices[i];
        if (index < parts.length && outgoing.indexOf(index) < 0 && clock() - sentAt[index] > ON_ITS_WAY_MS) outgoing.push(index);
      }
    }

    // The first part again: its answer says what the daemon knows of the job, and which parts it lacks.
    function nudge() {
      if (clock() - sent < gap()) return;
      tries += 1;
      sent = clock();
      link.send("job/part", parts[0]);
    }

    function startSending() {
      try {
        parts = link.parts(name, source.request);
      } catch (error) {
        fail(["too-large"]);
        return;
      }
      outgoing = [];
      sentAt = [];
      for (var i = 0; i < parts.length; i++) outgoing.push(i);
      enter("sending", ["sending"]);
      welcomes = link.welcomes;
      sendParts();
    }

    // Ticks

    // Whether the daemon can't be talked to now; `said` is for when it is back.
    function isAway(said) {
      if (link.isDown()) {
        job.said = link.state === "silent" ? ["gone"] : link.said;
        isWaiting = true;
      }
      if (link.state !== "up") return true;
      if (isWaiting) job.said = [said];
      isWaiting = false;
      if (link.welcomes !== welcomes) {  // it may have been restarted, and know nothing of the job
        welcomes = link.welcomes;
        seq = tries = sent = 0;
        isUnsure = true;
      }
      return false;
    }

    function cancelOrphans() {
      if (link.state !== "up" || link.welcomes === orphanWelcomes) return;
      orphanWelcomes = link.welcomes;
      for (var i = 0; i < orphans.length; i++) link.send("job/cancel", { job: orphans[i] });
    }

    var TICKS = {
      "idle": function () {},
      "connecting": function () {
        if (link.state === "up") startSending();
        else if (link.isDown()) {
          fail(link.said);
          job.hasEnded = false;  // the link goes on trying, and says how that goes
        }
      },
      "sending": function () {
        if (isAway("sending")) return;
        if (outgoing.length) sendParts();
        else nudge();
      },
      "running": function () {
        if (!isAway("queued") && isUnsure) nudge();
      },
      "cancelling": function () {
        if (insertion) {
          insertTick();
        } else if (clock() - since > CANCEL_MS) {
          orphans.push(name);
          if (orphans.length > MOST_ORPHANS) orphans.shift();
          orphanWelcomes = link.welcomes;
          finish(["cancelled-silently"], true);
        } else if (link.state === "up" && clock() - sent >= gap()) {
          tries += 1;
          sent = clock();
          send("job/cancel", {});
        }
      },
      "reading": function () {
        try {
          if (reader.step()) startInserting();
        } catch (error) {
          if (!error.key) StembridgeHost.log("reading: " + error.message);
          fail([error.key || "result-changed"]);
        }
      },
      "inserting": insertTick
    };

    // Inserting

    function startInserting() {
      if (!reader.rows.length) {
        fail(["nothing-found"].concat(reader.warnings));
        return;
      }
      insertion = StembridgeInsert.create(reader, { track: source.track, color: source.color,
        index: source.request.track_index }, takesColor, clock);
      enter("inserting", ["inserting"]);
    }

    function insertTick() {
      insertion.tick();
      job.percent = Math.floor(100 * insertion.step / insertion.steps);
      if (insertion.state === "done") inserted();
      else if (insertion.state === "cancelled") finish(["cancelled"], true);
      else if (insertion.state === "failed") fail([insertion.fault]);
    }

    function inserted() {
      var plural = StembridgeTexts.plural;
      var made = plural(insertion.clips, "clip") + ", " + plural(insertion.notes, "note");
      send("job/inserted", { clips: insertion.clips, notes: insertion.notes });
      var said = [["Done: " + made + ".", "Undo removes them, in one step or more."]];
      if (insertion.shown.length) {
        said.push("Audio stems: drag them into Live from " + StembridgeHost.folder(insertion.shown[0]));
      }
      said = said.concat(source.warnings, insertion.warnings);
      StembridgeHost.log(StembridgeTexts.plain(said));
      finish(said, true);
    }

    // What the daemon tells of the job

    function started() {
      if (job.state !== "sending") return;
      enter("running", ["queued"]);
    }

    function acknowledge(values) {
      var orphan = orphans.indexOf(values.job);
      if (orphan >= 0) orphans.splice(orphan, 1);
      link.send("job/resultack", { job: values.job });
    }

    var HANDLERS = {
      "job/ack": function (values) {
        if (job.state !== "sending" && job.state !== "running") return;
        sendMissing(StembridgeProtocol.missing(values.missing));
        if (outgoing.length && job.state === "running") enter("sending", ["sending"]);
      },
      "job/accepted": started,
      "job/progress": function (values) {
        started();
        if (job.state !== "running" || values.seq <= seq) return;
        seq = values.seq;
        job.said = ["running"];
        job.stage = StembridgeProtocol.percentDecode(values.stage) || "";
        job.percent = Math.floor(values.permille / 10);
      },
      "job/result": function (values) {
        if (job.state === "cancelling") {
          finish(["cancelled"], true);
        } else if (job.state === "sending" || job.state === "running") {
          reader = StembridgeResult.reader(StembridgeProtocol.percentDecode(values.path) || "", values.crc32);
          enter("reading", ["reading"]);
        }
      },
      "job/error": function (values) {
        if (job.state === "cancelling") {
          finish(["cancelled"], true);
        } else if (job.state === "sending" || job.state === "running") {
          if (values.code === "cancelled") finish(["cancelled"], true);
          else fail([StembridgeProtocol.percentDecode(values.text) || StembridgeProtocol.advice(values.code)]);
        }
      }
    };

    job.told = function (message, values) {
      if (message === "job/result" || message === "job/error") acknowledge(values);
      if (values.job !== name || insertion || reader) return;
      isUnsure = false;
      if (Object.prototype.hasOwnProperty.call(HANDLERS, message)) HANDLERS[message](values);
    };

    // What the user does

    job.convert = function (chosen) {
      if (job.state !== "idle") return;
      var found = StembridgeRequest.read(chosen);
      if (found.refusal) {
        fail([found.refusal]);
        return;
      }
      source = found;
      takesColor = chosen.colour === "clip";
      count += 1;
      name = "job-" + count;
      seq = 0;
      isUnsure = false;
      enter("connecting", ["connecting"]);
      link.wake();
    };

    job.cancel = function () {
      if (job.state === "connecting") {
        finish(["cancelled"], true);
      } else if (job.state === "sending" || job.state === "running") {
        enter("cancelling", ["cancelling"]);
        sent = clock();
        if (link.state === "up") send("job/cancel", {});
      } else if (job.state === "reading") {
        finish(["cancelled"], true);
      } else if (job.state === "inserting") {
        insertion.stop("");
        job.state = "cancelling";
        job.said = ["cancelling"];
      }
    };

    job.tick = function () {
      cancelOrphans();
      TICKS[job.state]();
    };

    // The device is being removed: what is half inserted goes with it, and nobody waits for the result any more.
    job.end = function () {
      if (insertion) insertion.abandon();
      else if (name && job.state !== "connecting" && link.state === "up") send("job/cancel", {});
    };

    // Something that should not happen did: leave nothing behind, and say so.
    job.broke = function (error) {
      StembridgeHost.log("error: " + (error && error.message ? error.message : error));
      if (insertion) insertion.stop("broken");
      else fail(["broken"]);
    };

    return job;
  }

  return { create: create };
})();

if (typeof module !== "undefined" && module.exports) module.exports = StembridgeJob;
