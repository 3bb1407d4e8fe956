// The device: link, job and display put together, with one clock that ticks faster the more there is to do.
/* global module */
var StembridgeDevice = (function () {
  "use strict";

  var LINK_FILE = "stembridge.json";
  var CONTROLS = StembridgeControls.TABLE;
  // Between two ticks (ms), and how often the file beside the device is looked for again where it was missing or wrong.
  var PACE_MS = { "idle": 250, "reading": 10, "inserting": 10 }, BUSY_MS = 50, FILE_MS = 5000, CLIP_MS = 500, CLIP_FULL_MS = 3000;
  // Live may select what was just inserted: for so long after a job's end (ms) another selection isn't the user's.
  var SETTLE_MS = 3000;
  // The port of the daemon where the file beside the device names none, and the lowest that can be chosen. Below it, the
  // control says "as the file says": what isn't the user's choice is never written to it, since Live saves it with the Set.
  var PORT = StembridgeProtocol.TABLE.limits.daemon_port, LOWEST_PORT = 1024;

  // `max` = {ui(list), udp(list), listen(list), folder(), repeat(callback, first ms)}.
  function create(max) {
    var device = {}, clock = StembridgeHost.clock(), chosen = {}, isOn = true, started = false;
    var link = null, job = null, ui = null, clip = null;
    var secret = "", daemonPort = PORT, readAt = 0, clipAt = 0, readClipAt = 0, clipId = 0, isMoved = false;

    for (var name in CONTROLS) if ("initial" in CONTROLS[name]) choose(name, CONTROLS[name].initial);

    function choose(name, value) {
      var values = CONTROLS[name].values;
      if (values) chosen[name] = values[Math.max(0, Math.min(values.length - 1, Math.round(value)))];
      else chosen[name] = Math.round(value);
    }

    // What `stembridge device install` leaves beside the device: {secret, port}, or {fault} with a key of the texts.
    function linkFile() {
      var found = StembridgeHost.json(max.folder() + LINK_FILE), value = found.value;
      if (found.fault) return { fault: found.fault === "missing" ? "no-secret" : "bad-link" };
      if (typeof value.secret !== "string" || !/^[ -~]{1,128}$/.test(value.secret)) return { fault: "bad-link" };
      var isPort = value.port >= LOWEST_PORT && value.port <= CONTROLS.port.high;
      return { secret: value.secret, port: isPort ? Math.floor(value.port) : PORT };
    }

    // Makes the link as the file says. A port that the user chose goes before its own.
    function readLink() {
      var file = linkFile();
      readAt = clock();
      if (file.fault) {
        link.stop([file.fault]);
        return;
      }
      var port = chosen.port >= LOWEST_PORT ? chosen.port : file.port;
      if (link.state !== "off" && file.secret === secret && port === daemonPort) return;
      secret = file.secret;
      daemonPort = port;
      link.start(secret, daemonPort);
    }

    function part(version, index) {
      return parseInt(String(version).split(".")[index], 10) || 0;
    }

    // -1, 0 or 1: whether the device is older than the daemon, as old, or newer.
    function age() {
      for (var i = 0; i < 3; i++) {
        var ours = part(StembridgeBuild.version, i), theirs = part(link.daemon, i);
        if (ours !== theirs) return ours < theirs ? -1 : 1;
      }
      return 0;
    }

    // What the status says: of the job if there is one, or of how it ended, until the converter needs somebody.
    function said() {
      if (job.state !== "idle") return job.said;
      if (!isOn) return ["off"];
      if (job.hasEnded) return job.said;
      if (link.state !== "up") return link.said.length ? link.said : ["looking"];
      return age() === 0 ? ["ready"] : [age() < 0 ? "device-old" : "daemon-old"];
    }

    function pace() {
      var isLooking = link.state === "binding" || link.state === "greeting";
      return isLooking && job.state === "idle" ? BUSY_MS : PACE_MS[job.state] || BUSY_MS;
    }

    function show() {
      ui.show({ link: link, job: job, said: said(), clip: clip, port: daemonPort, isOn: isOn,
        isMismatched: link.state === "up" && age() !== 0 });
    }

    function lookAtClip() {
      if (job.state !== "idle" || clock() - clipAt < CLIP_MS) return;
      clipAt = clock();
      var id = StembridgeLive.selectedClip();
      if (id !== clipId && clipAt - job.endedAt > SETTLE_MS) isMoved = true;
      leaveEnd();
      if (id === clipId && clipAt - readClipAt < CLIP_FULL_MS) return;
      clipId = id;
      readClipAt = clipAt;
      clip = id ? StembridgeRequest.shown(id) : null;
    }

    // How a job ended is said until another clip is selected, and then until all of it was there once.
    function leaveEnd() {
      if (!job.hasEnded) isMoved = false;
      if (isMoved && ui.isRead()) job.hasEnded = false;
    }

    function work() {
      if (link.isDown() && clock() - readAt >= FILE_MS) readLink();
      link.tick();
      job.tick();
      lookAtClip();
      show();
    }

    function guarded(step) {
      try {
        step();
      } catch (error) {
        job.broke(error);
      }
    }

    function tick() {
      guarded(work);
      return pace();
    }

    // What comes from Max

    device.ready = function () {
      if (started) return;
      started = true;
      var about = { dev: StembridgeBuild.version, live: StembridgeLive.version(), max: StembridgeHost.maxVersion(),
        os: StembridgeHost.system() };
      for (var name in about) about[name] = about[name].substr(0, 64);
      link = StembridgeLink.create({
        send: function (list) { max.udp(list); },
        sendTo: function (port) { max.udp(["port", port]); },
        listen: function (port) { max.listen(["port", port]); }
      }, function (name, values) { job.told(name, values); }, about, clock);
      job = StembridgeJob.create(link, clock);
      ui = StembridgeUi.create(max.ui, clock);
      readLink();
      max.repeat(tick);
    };

    device.enabled = function (value) {
      isOn = Boolean(value);
    };

    device.ui = function (name, value) {
      if (!Object.prototype.hasOwnProperty.call(CONTROLS, name)) return;
      if ("initial" in CONTROLS[name]) choose(name, value);
      if (!started) return;
      if (name === "port") readLink();
      else if (name === "convert" && value && isOn) guarded(convert);
      else if (name === "cancel" && value) guarded(job.cancel);
      guarded(show);
    };

    function convert() {
      if (job.state === "idle") readLink();
      job.convert(chosen);
    }

    device.removed = function () {
      if (started) guarded(job.end);
    };

    device.received = function (address, values) {
      if (started) guarded(function () { link.receive(address, values); });
    };

    return device;
  }

  return { create: create };
})();

if (typeof module !== "undefined" && module.exports) module.exports = StembridgeDevice;
