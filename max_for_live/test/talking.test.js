// The link to the daemon: finding it, and being told what to do where it can't be found.
'use strict';

const assert = require('assert');
const path = require('path');
const { test } = require('node:test');
const { ScriptedDaemon } = require('./daemon.js');
const { Device } = require('./max.js');
const osc = require('./osc.js');
const { deviceFolder, scale } = require('./scenario.js');
const { BUNDLE, LIGHT, READY, converted, ended, newTracks, pages, prepared, unchanged, until } = require('./bench.js');

const RUN_DAEMON = "The converter isn't running. Run: stembridge serve";
const INSTALL = "The device isn't linked yet. Run: stembridge device install";

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
  const taken = [...Array(10).keys()].map((index) => 17901 + index);
  const made = prepared({}, { network: { taken }, settleMs: 12_000 });
  assert.strictEqual(made.device.status, 'UDP ports 17901 to 17910 are taken. Quit other OSC programs.');
  made.device.convert();
  until(made, /are taken/);
  made.net.ports.delete(17905);
  until(made, /^Ready/);
});

test('without the file of the secret it says which command makes it, and goes on when it is there', () => {
  const made = prepared({}, { link: null });
  assert.strictEqual(made.device.status, INSTALL);
  converted(made);
  assert.strictEqual(made.device.status, INSTALL);
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
  assert.strictEqual(made.device.status, 'Run: stembridge device install. Then drag the device in again.');
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
  assert.match(prepared({}, { daemon: { version: '99.0.0' } }).device.status, /device is older.*Run: stembridge device install/);
  const older = prepared({}, { daemon: { version: '0.0.1' } });
  assert.match(older.device.status, /Stembridge is older than the device\. Update Stembridge/);
  assert.strictEqual(older.device.shown.light, LIGHT.trouble);
  assert.strictEqual(newTracks(converted(older)).length, 1);
});

test('the port of the file is used, unless the user chose one', () => {
  const made = prepared({}, { link: { secret: 'the-secret', port: 18000 }, daemon: { port: 18000 } });
  assert.strictEqual(made.device.status, READY);
  assert.strictEqual(made.device.shown.port, 18000);
  made.daemon.kill();
  made.daemon.port = 18001;
  made.daemon.start();
  made.device.ui('port', 18001.0);
  until(made, /^Ready/);
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
  spoof('/something/else', 1, 'x');
  ended(made);
  assert.match(made.device.status, /^Done/);
});

test('several devices in one Set find ports of their own and don\'t disturb each other', () => {
  const made = prepared({ parts: { bass: scale(4), drums: scale(4) } });
  const others = [1, 2].map(() => new Device({ bundle: BUNDLE, set: made.set, track: made.track, clock: made.clock, net: made.net,
    folder: path.join(made.where, 'Device folder') }).load());
  made.clock.pass(6000);
  const devices = [made.device, ...others];
  assert.deepStrictEqual([...made.daemon.sessions.values()].map((session) => session.rx).sort(), [17901, 17902, 17903]);
  for (const device of devices) device.convert();
  made.clock.run(() => devices.every((device) => device.isIdle), 60_000);
  assert.ok(devices.every((device) => /^Done/.test(device.status)));
  assert.deepStrictEqual(newTracks(made).map((track) => track.name), Array(3).fill(['Loop bass', 'Loop drums']).flat());
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
