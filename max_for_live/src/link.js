// The link to the daemon: an own port, hello, heartbeat. Whoever owns it calls `tick` often and `receive` for what comes.
//
// States: off; binding (is the port ours?); greeting (hello was sent); up; silent (nobody answers); refused; blocked (no
// port to be had). In all but off it goes on trying by itself.
/* global module */
var StembridgeLink = (function () {
  "use strict";

  var LIMITS = StembridgeProtocol.TABLE.limits;
  // Ports that are tried, from the first on: one for each device that the daemon serves, and some for other programs.
  var PORTS = 24;
  // Times in ms. A port is asked twice whether it is ours: Live may be busy. Retries are slow enough to be no load.
  var BIND_MS = 100, LOOP_MS = 400, LOOP_TRIES = 2;
  var GREET_MS = 2000, RETRY_MS = { silent: 3000, refused: 10000, blocked: 10000 };

  // `ports` = {send(list), sendTo(port), listen(port)}; `told(name, values)` is called for messages of jobs; `about` =
  // {dev, live, max, os}; `clock()` gives ms.
  function create(ports, told, about, clock) {
    var link = { state: "off", said: [], daemon: "", busy: false, welcomes: 0 };
    var inst = StembridgeHost.word(), token = StembridgeHost.word();
    var secret = "", daemonPort = LIMITS.daemon_port, port = LIMITS.device_port;
    var since = 0, tries = 0, nonce = "";
    var pings = 0, unanswered = 0, pinged = 0;

    function enter(state, said) {
      link.state = state;
      link.said = said || [];
      since = clock();
      tries = 0;
    }

    // Messages

    function send(name, values) {
      values.token = token;
      ports.send(StembridgeProtocol.encode(name, values));
    }

    function hello() {
      var version = LIMITS.version;
      ports.send(StembridgeProtocol.encode("hello", { json: StembridgeProtocol.toJson({
        dev: about.dev, proto_min: version, proto_max: version, live: about.live, max: about.max, os: about.os,
        inst: inst, rx: port, secret: secret, token: token
      }) }));
    }

    function loop() {
      ports.sendTo(port);
      send("loop", { nonce: nonce });
      ports.sendTo(daemonPort);
    }

    // States

    function bind(at) {
      port = at;
      nonce = StembridgeHost.word();
      enter("binding", ["looking"]);
      ports.listen(port);
    }

    // From `quiet` on, nobody was there: the state, and with it what the user reads, changes only if somebody answers.
    function greet(quiet) {
      if (!quiet) {
        enter("greeting", ["looking"]);
        tries = 1;
      } else {
        since = clock();
      }
      hello();
    }

    function bindTick(waited) {
      if (waited >= BIND_MS + tries * LOOP_MS && tries < LOOP_TRIES) {
        tries += 1;
        loop();
      } else if (waited >= BIND_MS + LOOP_TRIES * LOOP_MS) {
        if (port + 1 < LIMITS.device_port + PORTS) bind(port + 1);
        else enter("blocked", ["no-port"]);
      }
    }

    function greetTick(waited) {
      var gap = 0;
      for (var i = 0; i < tries && i < LIMITS.resend_gaps_s.length; i++) gap += LIMITS.resend_gaps_s[i] * 1000;
      if (waited >= GREET_MS) enter("silent", ["not-running"]);
      else if (waited >= gap) {
        tries += 1;
        hello();
      }
    }

    function pingTick(now) {
      if (now - pinged < (link.busy ? LIMITS.ping_busy_s : LIMITS.ping_idle_s) * 1000) return;
      if (unanswered >= LIMITS.pings_unanswered) {
        bind(port);
        return;
      }
      pinged = now;
      unanswered += 1;
      pings += 1;
      send("ping", { inst: inst, seq: pings });
    }

    link.tick = function () {
      var now = clock(), waited = now - since;
      if (link.state === "binding") bindTick(waited);
      else if (link.state === "greeting") greetTick(waited);
      else if (link.state === "up") pingTick(now);
      else if (link.state === "blocked" && waited >= RETRY_MS.blocked) bind(LIMITS.device_port);
      else if (RETRY_MS[link.state] && waited >= RETRY_MS[link.state]) greet(true);
    };

    // What comes

    function onWelcome(values) {
      var about = StembridgeProtocol.fromJson(values.json) || {};
      link.daemon = String(about.daemon || "");
      link.welcomes += 1;
      unanswered = 0;
      pinged = clock();
      enter("up");
    }

    function onRefuse(values) {
      if (values.code === "token" && link.state !== "refused") token = StembridgeHost.word();
      var text = StembridgeProtocol.percentDecode(values.text);
      enter("refused", [values.code === "secret" ? "wrong-secret" : text || StembridgeProtocol.advice(values.code)]);
    }

    var HANDLERS = {
      "loop": function (values) {
        if (link.state === "binding" && values.nonce === nonce) greet(false);
      },
      "welcome": onWelcome,
      "refuse": onRefuse,
      "bye": function () { if (link.state === "up") enter("silent", ["not-running"]); },
      "ping": function (values) { send("pong", { inst: values.inst, seq: values.seq }); },
      "pong": function () {}  // a sign of life, as whatever comes
    };

    // A datagram. Max may leave out an empty string at the end.
    link.receive = function (address, args) {
      if (link.state === "off") return;
      var message = StembridgeProtocol.decode(address, args, token) ||
        StembridgeProtocol.decode(address, args.concat([""]), token);
      if (message === null) return;
      unanswered = 0;
      if (Object.prototype.hasOwnProperty.call(HANDLERS, message.name)) HANDLERS[message.name](message.values);
      else told(message.name, message.values);
    };

    // What the owner does

    link.start = function (newSecret, newPort) {
      secret = newSecret;
      daemonPort = newPort;
      ports.sendTo(daemonPort);
      bind(LIMITS.device_port);
    };

    link.stop = function (said) {
      enter("off", said);
    };

    // Look again at once, where nobody answered before.
    link.wake = function () {
      if (link.state === "silent" || link.state === "refused") greet(false);
      else if (link.state === "blocked") bind(LIMITS.device_port);
    };

    link.send = send;

    link.parts = function (job, request) {
      return StembridgeProtocol.parts(token, job, request);
    };

    // Whether waiting will not help: somebody has to do something.
    link.isDown = function () {
      return link.state === "off" || link.state === "silent" || link.state === "refused" || link.state === "blocked";
    };

    return link;
  }

  return { create: create };
})();

if (typeof module !== "undefined" && module.exports) module.exports = StembridgeLink;
