// The link to the daemon: finding it, and being told what to do where it can't be found.
'use strict';

const assert = require('assert');
const path = require('path');
const { test } = require('node:test');
const { ScriptedDaemon } = require('./daemon.js');
const osc = require('./osc.js');
const { deviceFolder, scale } = require('./scenario.js');
const { LIGHT, READY, converted, ended, newTracks, pages, prepared, unchanged, until } = require('./bench.js');

const RUN_DAEMON = "The converter isn't running. Run: stembridge serve";
const INSTALL = "The device isn't linked yet. Run: stembridge device install";
const OUTDATED = "The device's link is out of date. Run: stembridge device install";
const DRAG_AGAIN = "Then delete the device and drag it in again from Live's browser.";

// Another device on the same track, in the same folder.
const another = (made) => made.device.make().load();

// Finding the daemon

test('where no daemon runs, the device says how to start one, and finds it when it runs', () => {
  const made = prepared({}, { daemon: null });
  assert.strictEqual(made.device.status, RUN_DAEMON);
  assert.strictEqual(made.device.shown.light, LIGHT.off);
  converted(made);
  assert.strictEqual(made.device.status, RUN_DAEMON);
  const daemon = new ScriptedDaemon(made.net, made.clock, { secret: 'the-secret', result: made.result });
  until(made, /^Ready/);
  assert.strictEqual(made.device.shown.light, LIGHT.on);
  converted({ ...made, daemon });
  assert.strictEqual(newTracks(made).length, 1);
});

test('where its port is taken, it takes the next, and says nothing of it', () => {
  const made = converted(prepared({}, { network: { taken: [17901, 17902, 17903] } }));
  assert.strictEqual(newTracks(made).length, 1);
  assert.ok(made.device.states.every((state) => !/taken/.test(state)));
});

test('where all its ports are taken, it says so, and tries again', () => {
  const taken = [...Array(24).keys()].map((index) => 17901 + index);
  const made = prepared({}, { network: { taken }, settleMs: 24_000 });
  const advice = 'UDP ports 17901 to 17924 are taken. Remove Stembridge devices from tracks, or quit other programs that use OSC, ' +
    'then Live, and start Live again.';
  assert.ok(pages(made).includes(advice), made.device.states.join(' '));
  made.device.convert();
  until(made, /are taken/);
  made.net.ports.delete(17905);
  until(made, /^Ready/);
});

test('without the file of the secret it says which command makes it, and goes on when it is there', () => {
  const made = prepared({}, { link: null });
  assert.ok(pages(made).includes(`${INSTALL} Is it a copy, as in a Set's project? Use the one in Live's browser instead.`));
  assert.strictEqual(made.device.shown.daemon, 'Not linked');
  converted(made);
  assert.ok(pages(made).includes(INSTALL));
  deviceFolder(path.join(made.where, 'Device folder'));
  until(made, /^Ready/);
});

test('a damaged file of the secret is told from a missing one', () => {
  for (const secret of ['', 'x'.repeat(129), '\u00e9']) prepared({}, { link: { secret, port: 'none' } });
  const made = prepared({}, { link: { secret: 5 } });
  assert.strictEqual(made.device.status, 'The file stembridge.json is damaged. Run: stembridge device install');
});

test('a wrong secret is told, and a new file mends it', () => {
  const made = prepared({}, { link: { secret: 'of another user', port: 17900 } });
  assert.ok(pages(made).includes(`${OUTDATED} Is it a copy`));
  assert.strictEqual(made.device.shown.light, LIGHT.trouble);
  deviceFolder(path.join(made.where, 'Device folder'));
  until(made, /^Ready/);
});

test('a daemon that speaks another version says which side to update', () => {
  const text = 'The device is newer than the Stembridge that runs here. Update Stembridge and start it again.';
  const made = prepared({}, { daemon: { refuse: { code: 'version', text } } });
  assert.match(pages(made), /The device is newer than the Stembridge that runs here\. Update Stembridge/);
});

test('where the versions differ, the status says which side to update', () => {
  const newer = pages(prepared({}, { daemon: { version: '99.0.0' } }));
  assert.ok(newer.includes(`The device is older than Stembridge. Run: stembridge device install ${DRAG_AGAIN}`), newer);
  const older = prepared({}, { daemon: { version: '0.0.1' } });
  assert.match(older.device.status, /Stembridge is older than the device\. Update Stembridge/);
  assert.strictEqual(older.device.shown.light, LIGHT.trouble);
  assert.strictEqual(newTracks(converted(older)).length, 1);
});

// Moves the daemon to another port.
function moved(made, port) {
  made.daemon.kill();
  made.daemon.port = port;
  made.daemon.start();
  return made;
}

test('the port of the file is used, unless the user chose one', () => {
  const made = prepared({}, { link: { secret: 'the-secret', port: 18000 }, daemon: { port: 18000 } });
  assert.strictEqual(made.device.status, READY);
  assert.strictEqual(made.device.shown.daemon, 'Runs 0.1.0 on port 18000');
  moved(made, 17900).device.ui('port', 17900.0);  // which is the usual one, and not the file's
  until(made, /^Ready/);
  assert.strictEqual(made.device.shown.daemon, 'Runs 0.1.0 on port 17900');
  moved(made, 18000).device.ui('port', 0);
  until(made, /^Ready/);
});

test('a port that the user did not choose is not saved with the Set', () => {
  const made = prepared({}, { link: { secret: 'the-secret', port: 18000 }, daemon: { port: 18000 } });
  const device = made.device.reload();
  made.clock.pass(5000);
  assert.strictEqual(device.status, READY);
  deviceFolder(path.join(made.where, 'Device folder'));
  moved(made, 17900);
  const again = device.reload();
  made.clock.pass(5000);
  assert.strictEqual(again.status, READY);
});

test('a port that the user chose is saved with the Set', () => {
  const made = prepared({}, { daemon: { port: 18001 } });
  made.device.ui('port', 18001.0);
  const device = made.device.reload();
  made.clock.pass(5000);
  assert.strictEqual(device.status, READY);
});

test('a daemon that was installed again for another port is found', () => {
  const made = moved(prepared(), 18002);
  until(made, /isn't running/);
  deviceFolder(path.join(made.where, 'Device folder'), { secret: 'the-secret', port: 18002 });
  until(made, /^Ready/);
});

test('Convert greets no daemon that is there already', () => {
  const made = prepared();
  assert.strictEqual(made.daemon.count('hello'), 1);
  converted(made);
  assert.strictEqual(made.daemon.count('hello'), 1);
});

test('a daemon that is stopped says so, and the light goes dark at once', () => {
  const made = prepared();
  assert.strictEqual(made.device.shown.light, LIGHT.on);
  made.daemon.stop();
  made.clock.pass(1000);
  assert.strictEqual(made.device.status, RUN_DAEMON);
  assert.strictEqual(made.device.shown.light, LIGHT.off);
  assert.strictEqual(made.device.shown.daemon, 'Not running on port 17900');
  made.daemon.start();
  until(made, /^Ready/);
});

test('the display says which device and which converter are at work', () => {
  const made = prepared();
  assert.match(made.device.shown.version, /^\d+\.\d+\.\d+ [0-9a-f]{8}$/);
  assert.strictEqual(made.device.shown.daemon, 'Runs 0.1.0 on port 17900');
});

test('a daemon that was restarted is found again without the user', () => {
  const made = prepared();
  made.daemon.kill();
  until(made, /isn't running/);
  made.daemon.start();
  until(made, /^Ready/);
});

test('what has another token is not listened to', () => {
  const made = prepared();
  made.device.convert();
  until(made, /Converting/);
  const spoof = (...list) => made.net.ports.get(17901).receive(osc.encode(list));
  spoof('/stembridge/1/job/error', 'another-token', 'job-1', 'internal', 'Spoofed');
  spoof('/stembridge/1/job/result', 'another-token', 'job-1', '/etc/passwd', '00000000');
  spoof('/stembridge/1/refuse', 'another-token', 'secret', 'Spoofed');
  spoof('/stembridge/1/bye', 'another-token');
  spoof('/something/else', 1, 'x');
  ended(made);
  assert.match(made.device.status, /^Done/);
});

test('several devices in one Set find ports of their own and don\'t disturb each other', () => {
  const made = prepared({ parts: { bass: scale(4), drums: scale(4) } });
  const others = [another(made), another(made)];
  made.clock.pass(6000);
  const devices = [made.device, ...others];
  assert.deepStrictEqual([...made.daemon.sessions.values()].map((session) => session.rx).sort(), [17901, 17902, 17903]);
  for (const device of devices) device.convert();
  made.clock.run(() => devices.every((device) => device.isIdle), 60_000);
  assert.ok(devices.every((device) => /^Done/.test(device.status)));
  assert.deepStrictEqual(newTracks(made).map((track) => track.name), Array(3).fill(['Loop bass', 'Loop drums']).flat());
});

test('sixteen devices in one Set all find a port', () => {
  const made = prepared();
  const devices = [made.device, ...Array.from(Array(15), () => another(made))];
  made.clock.pass(30_000);
  assert.deepStrictEqual(devices.map((device) => device.status), Array(16).fill(READY));
});

test('a device that is removed while its clip is converted cancels that', () => {
  const made = prepared({}, { daemon: { takesMs: 60_000 } });
  made.device.convert();
  until(made, /Converting/);
  made.device.remove();
  made.clock.pass(1000);
  assert.strictEqual([...made.daemon.jobs.values()][0].end.code, 'cancelled');
});

test('a device that is removed while Live makes a track takes the others with it, and closes the undo step', () => {
  const made = prepared({ parts: { bass: scale(4), drums: scale(4) } }, { faults: { lateTrackMs: 2000 } });
  made.device.convert();
  made.clock.run(() => newTracks(made).length === 1);
  made.clock.pass(500);  // the second is on its way
  made.device.remove();
  unchanged(made);
  assert.strictEqual(made.set.openStep, null);
});

test('a device that is removed while it inserts takes its tracks with it', () => {
  const made = prepared({ parts: { bass: scale(4), drums: scale(4) } }, { faults: { slowTrackMs: 1000 } });
  made.device.convert();
  made.clock.run(() => newTracks(made).length === 1);
  made.device.remove();
  made.clock.pass(10_000);
  unchanged(made);
  assert.strictEqual(made.set.openStep, null);
});

test('a removed device falls silent', () => {
  const { device, daemon, clock } = prepared();
  device.remove();
  const before = daemon.heard.length;
  clock.pass(60_000);
  assert.strictEqual(daemon.heard.length, before);
});

test('switched off, the device converts nothing', () => {
  const made = prepared();
  made.device.context.enabled(0);
  made.clock.pass(500);
  made.device.convert();
  made.clock.pass(1000);
  assert.match(made.device.status, /switched off\. Switch it on/);
  assert.strictEqual(made.daemon.count('job/part'), 0);
});
