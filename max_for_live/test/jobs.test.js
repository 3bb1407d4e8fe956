// The life of a job: what the user reads in each state, how it is cancelled, and what comes of it whatever happens.
'use strict';

const assert = require('assert');
const path = require('path');
const { test } = require('node:test');
const { chance } = require('./net.js');
const { deviceFolder, scale } = require('./scenario.js');
const { LIGHT, READY, converted, ended, newTracks, pages, prepared, unchanged, until } = require('./bench.js');

test('progress is shown with stage and percent', () => {
  const made = prepared();
  made.device.convert();
  until(made, /Converting/);
  made.clock.pass(1500);
  assert.strictEqual(made.device.shown.stage, 'Finding notes');
  assert.ok(made.device.shown.progress >= 30);
  assert.strictEqual(made.device.shown.percent, `${made.device.shown.progress}%`);
  assert.strictEqual(made.device.shown.light, LIGHT.busy);
  ended(made);
  assert.strictEqual(made.device.shown.progress, 0);
});

test('an error of the daemon\'s is shown in its own words', () => {
  const text = "the clip's loop has no length: make it longer, then convert again";
  const made = converted(prepared({}, { daemon: { result: { code: 'invalid-request', text } } }));
  assert.strictEqual(made.device.status, text);
  assert.strictEqual(made.device.shown.light, LIGHT.trouble);
  assert.ok([...made.daemon.jobs.values()][0].acknowledged);
});

test('an error without words is shown in those of the table', () => {
  const made = converted(prepared({}, { daemon: { result: { code: 'busy', text: '' } }, device: { dropsEmptyWords: true } }));
  assert.match(made.device.status, /^Wait until some jobs are done/);
});

test('progress that comes late is passed over', () => {
  const made = prepared({}, { daemon: { takesMs: 30_000 } });
  made.device.convert();
  until(made, /Converting/);
  made.clock.pass(7000);
  const [job] = made.daemon.jobs.values();
  const { percent } = made.device.shown;
  made.daemon.say(job.inst, 'job/progress', job.name, 1, 0, 'Earlier');
  made.clock.pass(100);
  assert.strictEqual(made.device.shown.percent, percent);
});

test('the daemon\'s pings are answered, and its silence is noticed in seconds while a job runs', () => {
  const made = prepared({}, { daemon: { takesMs: 60_000 } });
  const [{ inst }] = made.daemon.sessions.values();
  made.daemon.say(inst, 'ping', inst, 7);
  made.clock.pass(100);
  assert.strictEqual(made.daemon.count('pong'), 1);
  made.device.convert();
  until(made, /Converting/);
  const before = made.clock.now();
  made.daemon.kill();
  until(made, /waiting for it/);
  assert.ok(made.clock.now() - before < 15_000);
});

test('while nothing changes, nothing is written to the display', () => {
  const { device, clock } = prepared();
  const before = device.writes;
  clock.pass(60_000);
  assert.strictEqual(device.writes, before);
});

test('a token that another device has is changed', () => {
  const made = prepared({}, { daemon: { refuse: { code: 'token', text: '' } } });
  made.daemon.refuse = null;
  until(made, /^Ready/);
  const tokens = made.daemon.heard.filter(([name]) => name === 'hello').map(([, json]) => JSON.parse(json).token);
  assert.notStrictEqual(tokens[0], tokens.at(-1));
});

test('a clock that is put back an hour in the middle of a job changes nothing', () => {
  const made = prepared();
  made.device.convert();
  until(made, /Converting/);
  made.device.skewMs = -3_600_000;
  made.daemon.kill();
  until(made, /waiting for it/);
  made.daemon.start();
  ended(made, 20_000);
  assert.match(made.device.status, /^Done/);
});

test('something that nobody thought of is said, and the next conversion works', () => {
  const made = prepared({}, { faults: {} });
  made.set.faults.throwIn = 'sample_rate';
  converted(made);
  assert.match(made.device.status, /Something failed inside the device\. Drag/);
  made.set.faults = {};
  converted(made);
  assert.match(made.device.status, /^Done/);
});

test('a daemon that dies during the job and comes back is waited for, and the job ends as if nothing was', () => {
  const made = prepared({}, { daemon: { takesMs: 30_000 } });
  made.device.convert();
  until(made, /Converting/);
  made.daemon.kill();
  until(made, /Converter stopped: waiting for it\. Run: stembridge serve/);
  made.clock.pass(60_000);
  assert.ok(!made.device.isIdle);
  made.daemon.start();
  ended(made);
  assert.match(made.device.status, /^Done: 1 clip, 16 notes/);
});

test('a daemon that dies while it gets the request gets it when it is back', () => {
  const warp = [...Array(5000).keys()].map((index) => [index * 0.4 + 1 / 3, index + 1 / 7]);
  const made = prepared({}, { clip: { warp }, set: { symbolChars: Infinity } });
  made.device.convert();
  made.clock.pass(300);
  made.daemon.kill();
  until(made, /waiting for it/);
  made.daemon.start();
  until(made, /^Sending the clip's details/);
  ended(made);
  assert.match(made.device.status, /^Done/);
  assert.strictEqual(made.daemon.requests.length, 1);
});

test('a daemon that is stopped during the job is waited for from that moment on', () => {
  const made = prepared({}, { daemon: { takesMs: 30_000 } });
  made.device.convert();
  until(made, /Converting/);
  made.daemon.stop();
  made.clock.pass(500);
  assert.strictEqual(made.device.status, 'Converter stopped: waiting for it. Run: stembridge serve');
  made.daemon.start();
  ended(made);
  assert.match(made.device.status, /^Done/);
});

test('a daemon that comes back with another secret is told of, and the job goes on with the new file', () => {
  const made = prepared({}, { daemon: { takesMs: 30_000 } });
  made.device.convert();
  until(made, /Converting/);
  made.daemon.kill();
  made.daemon.secret = 'new-secret';
  made.daemon.start();
  until(made, /link is out of date\. Run: stembridge device install/);
  assert.ok(!made.device.isIdle);
  deviceFolder(path.join(made.where, 'Device folder'), { secret: 'new-secret', port: 17900 });
  ended(made);
  assert.match(made.device.status, /^Done/);
});

test('what is told of another job is none of this one\'s business', () => {
  const made = prepared({}, { daemon: { takesMs: 30_000 } });
  made.device.convert();
  until(made, /Converting/);
  const [{ inst, name }] = made.daemon.jobs.values();
  const { path: result, crc32 } = made.result;
  made.daemon.say(inst, 'job/error', 'job-0', 'internal', 'Something%20else');
  made.daemon.say(inst, 'job/result', 'job-0', encodeURIComponent(result), crc32);
  made.daemon.say(inst, 'job/progress', 'job-0', 1000, 990, 'Something%20else');
  made.clock.pass(1000);
  assert.match(made.device.status, /^Converting/);
  assert.strictEqual(made.device.shown.stage, 'Finding notes');
  assert.strictEqual(name, 'job-1');
  assert.strictEqual(newTracks(made).length, 0);
});

test('Cancel can be pressed only while there is something to cancel', () => {
  const made = prepared({}, { daemon: { takesMs: 30_000 } });
  assert.strictEqual(made.device.shown.cancel, 0);
  made.device.convert();
  assert.strictEqual(made.device.shown.cancel, 1);
  until(made, /Converting/);
  made.daemon.kill();
  made.device.cancel();
  assert.strictEqual(made.device.shown.cancel, 0);  // it waits for the daemon's answer
  ended(made);
  assert.strictEqual(made.device.shown.cancel, 0);
});

test('the warnings of a job stay until all were there, though another clip is selected, and are in the Max window', () => {
  const warning = 'The tempo changes: notes drift from the audio. Switch Warp on first.';
  const made = converted(prepared({ warnings: [warning] }, { clip: { warping: 0, looping: 0 }, set: { filePath: '' } }));
  made.clock.pass(3500);
  const slot = made.track.slots[5];
  slot.clip = made.set.newClip(slot, { ...made.clip, id: undefined, parent: slot });
  made.set.detailClip = slot.clip;
  const seen = pages(made);
  for (const text of ['Done: ', 'This Set is not saved yet.', 'The clip is not warped.', warning]) assert.ok(seen.includes(text), seen);
  assert.strictEqual(made.device.status, READY);
  assert.ok(made.device.log.some((line) => line.includes(warning)));
});

test('a daemon that forgot the job gets it again', () => {
  const made = prepared({}, { daemon: { takesMs: 30_000 } });
  made.device.convert();
  until(made, /Converting/);
  made.daemon.kill();
  made.daemon.jobs.clear();
  made.daemon.start();
  ended(made);
  assert.match(made.device.status, /^Done/);
});

test('an end of the job that comes again is acknowledged again, and inserted once', () => {
  const made = converted(prepared());
  const [job] = made.daemon.jobs.values();
  job.acknowledged = false;
  made.daemon.tell(job);
  made.clock.pass(5000);
  assert.ok(job.acknowledged);
  assert.strictEqual(newTracks(made).length, 1);
});

test('a Max that leaves out empty words is understood', () => {
  const made = converted(prepared({}, { device: { dropsEmptyWords: true }, network: { rate: 0.2, seed: 3 } }));
  assert.match(made.device.status, /^Done/);
});

for (let seed = 1; seed <= 12; seed++) {
  test(`through a network that loses, doubles and delays a fifth, each job ends once (seed ${seed})`, () => {
    const warp = [...Array(400).keys()].map((index) => [index * 0.4 + 1 / 3, index + 1 / 7]);
    const made = prepared({}, { network: { rate: 0.2, seed }, clip: { warp }, settleMs: 20_000 });
    converted(made);
    assert.match(made.device.status, /^Done: 1 clip, 16 notes/);
    assert.strictEqual(newTracks(made).length, 1);
    assert.strictEqual(made.daemon.requests.length, 1);
  });
}

// Cancelling

const STAGES = {
  'connecting': [{ daemon: { port: 17999 } }, (made) => { made.clock.pass(20); }],
  'sending': [{}, () => {}],
  'running': [{}, (made) => until(made, /Converting/)],
  'reading': [{}, (made) => until(made, /Reading/)],
  'inserting': [{ faults: { slowTrackMs: 2000 } }, (made) => made.clock.run(() => made.set.tracks.length > 4)],
  'inserting a track that is late': [{ faults: { lateTrackMs: 2000 } }, (made) => until(made, /Inserting/).clock.pass(300)],
};
for (const [state, [options, reach]] of Object.entries(STAGES)) {
  test(`cancelled while ${state}, a job leaves nothing behind, and the next one works`, () => {
    const made = prepared({ parts: { bass: scale(2000), drums: scale(2000) } }, options);
    made.device.convert();
    reach(made);
    assert.ok(!made.device.isIdle);
    made.device.cancel();
    ended(made);
    assert.strictEqual(made.device.status, 'Cancelled. Nothing was added. Press Convert to start again.');
    made.clock.pass(30_000);
    unchanged(made);
    assert.strictEqual(made.set.openStep, null);
    if (options.daemon) return;
    converted(made);
    assert.strictEqual(newTracks(made).length, 2);
  });
}

test('a job that is cancelled while the daemon is silent is cancelled there when it is back', () => {
  const made = prepared({}, { daemon: { takesMs: 60_000 } });
  made.device.convert();
  until(made, /Converting/);
  made.daemon.kill();
  made.device.cancel();
  ended(made);
  assert.strictEqual(made.device.status, 'Stopped here: converter is silent. Press Convert to start again.');
  made.daemon.start();
  made.clock.pass(120_000);
  assert.strictEqual([...made.daemon.jobs.values()][0].end.code, 'cancelled');
  unchanged(made);
});

// Whatever happens

test('whatever happens in whatever order, the Set has all of a job or nothing, and the status says something', () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = chance(seed * 7919);
    const made = prepared({ parts: { bass: scale(600), drums: scale(8) } }, { network: { rate: 0.1 * random(), seed },
      faults: random() < 0.5 ? { slowTrackMs: 500 } : { lateTrackMs: 700 }, daemon: { takesMs: 4000 } });
    let isUp = true;
    const steps = [
      () => made.device.convert(),
      () => made.device.cancel(),
      () => { if (isUp) made.daemon.kill(); else made.daemon.start(); isUp = !isUp; },
      () => made.clock.pass(8000 * random()),
      () => made.clock.pass(1500 * random()),
    ];
    for (let step = 0; step < 30; step++) steps[Math.floor(random() * steps.length)]();
    if (!isUp) made.daemon.start();
    ended(made);
    const done = made.device.log.length;
    const counts = newTracks(made).map((track) => [track.name, track.slots[0].clip.notes.length]);
    assert.strictEqual(counts.length % 2, 0, `seed ${seed}: ${JSON.stringify(counts)} ${done}`);
    for (const [name, count] of counts) assert.strictEqual(count, name === 'Loop bass' ? 600 : 8);
    assert.strictEqual(made.set.openStep, null);
    for (const state of made.device.states) assert.match(state, /\w.* .*\w/);
    assert.ok(!made.device.log.some((line) => /js:|error/.test(line)), made.device.log.join('\n'));
  }
});
