// What Max calls: each function here is a message to [js] (see max_for_live/README.md), and nothing else is global but the
// modules.
/* global module, outlet, arrayfromargs, Task, StembridgeDevice */
var StembridgeMain = (function (max) {
  "use strict";

  var task = null;

  // Calls `tick`, which gives the milliseconds until it is to be called next, again and again.
  function repeat(tick) {
    task = new Task(function () { task.schedule(tick()); });
    task.schedule(0);
  }

  function folder() {
    return StembridgeHost.folder(max.patcher.filepath);
  }

  return {
    device: StembridgeDevice.create({
      ui: function (list) { outlet(0, list); },
      udp: function (list) { outlet(1, list); },
      listen: function (list) { outlet(2, list); },
      folder: folder,
      repeat: repeat
    }),
    folder: folder,
    stop: function () { if (task !== null) task.cancel(); }
  };
})(this);

function bang() {
  StembridgeMain.device.ready();
}

function enabled(value) {
  StembridgeMain.device.enabled(value);
}

function ui(name, value) {
  StembridgeMain.device.ui(name, value);
}

function udp() {
  var list = arrayfromargs(arguments);
  StembridgeMain.device.received(String(list[0]), list.slice(1));
}

function selftest() {
  StembridgeSelfTest.run(StembridgeMain.folder());
}

function notifydeleted() {
  StembridgeMain.stop();
  StembridgeMain.device.removed();
}
