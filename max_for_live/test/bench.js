// What the tests of the script share: studios in virtual time that have found their daemon.
'use strict';

const assert = require('assert');
const fs = require('fs');
const os = require('os');
const path = require('path');
const { studio, writeResult } = require('./scenario.js');

// The script, as `make device` bundles it.
const BUNDLE = process.env.STEMBRIDGE_BUNDLE;
const TOP = fs.mkdtempSync(path.join(os.tmpdir(), 'stembridge-'));
process.on('exit', () => fs.rmSync(TOP, { recursive: true }));

let folders = 0;

function folder() {
  const made = path.join(TOP, String(++folders));
  fs.mkdirSync(made);
  return made;
}

// A studio whose daemon answers with a result of `shape` (see writeResult).
function prepared(shape = {}, options = {}) {
  const where = options.where || folder();
  const result = writeResult(path.join(where, options.resultFolder || 'result'), shape);
  const daemon = options.daemon === null ? null : { result, ...options.daemon };
  const made = Object.assign(studio(where, BUNDLE, { ...options, daemon }), { result, where });
  made.device.load();
  made.clock.pass(options.settleMs ?? 5000);
  made.tracksBefore = [...made.set.tracks];
  return made;
}

function ended(made, limitMs = 200_000) {
  made.clock.run(() => made.device.isIdle, limitMs, `the end: ${made.device.states.slice(-3)} ${made.device.log.slice(-3)}`);
  made.clock.pass(500);
  const misuse = made.device.log.filter((line) => /no valid object|no function|no property|unknown key|js:/.test(line));
  assert.deepStrictEqual(misuse.filter((line) => !/undo_step/.test(line)), []);
  return made;
}

function converted(made, limitMs) {
  made.device.convert();
  return ended(made, limitMs);
}

function until(made, pattern) {
  made.clock.run(() => pattern.test(made.device.status), 120_000, `${pattern}, after ${made.device.states.slice(-3)}`);
  return made;
}

const newTracks = ({ set, tracksBefore }) => set.tracks.filter((track) => !tracksBefore.includes(track));
const notesOf = (clip) => clip.notes.map(({ start_time, pitch, duration, velocity }) => ({ start_time, pitch, duration, velocity }));

// All pages of the status.
function pages(made) {
  const seen = [made.device.status];
  for (let page = 0; page < 8; page++) {
    made.clock.pass(4000);
    seen.push(made.device.status);
  }
  return seen.join(' ');
}

const unchanged = ({ set, tracksBefore }) => assert.deepStrictEqual(set.tracks, tracksBefore);

// The light's states, and the status of a device that waits for the user.
const LIGHT = { off: 0, on: 1, busy: 2, trouble: 3 };
const READY = 'Ready. Select a clip and press Convert.';

module.exports = {
  BUNDLE, LIGHT, READY, prepared, ended, converted, until, newTracks, notesOf, pages, unchanged,
};
