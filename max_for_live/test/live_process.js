// The model of Live as a process that a test talks to, in real time and with real UDP:
//
//   node live_process.js BUNDLE FOLDER OPTIONS
//
// OPTIONS is JSON, as `studio` of scenario.js takes it, with `network` of RealNet. Each line of standard input is a JSON list,
// [command, argument...], and each is answered by a line of JSON: {"ok": …} or {"error": …}.
'use strict';

const readline = require('readline');
const { RealClock } = require('./clock.js');
const { RealNet } = require('./net.js');
const { studio } = require('./scenario.js');

const [, , BUNDLE, FOLDER, OPTIONS] = process.argv;
const LOOK_MS = 20;

const options = JSON.parse(OPTIONS);
const made = studio(FOLDER, BUNDLE, { ...options, clock: new RealClock(), net: new RealNet(options.network), daemon: null });
const { set, device } = made;

const clipFacts = (clip) => clip && { name: clip.name, markers: clip.markers, loop: clip.loop, looping: Boolean(clip.looping),
  notes: clip.notes, signature: [clip.signature_numerator, clip.signature_denominator], audio: clip.audio, path: clip.path,
  warp: clip.warp, start_time: clip.start_time, end_time: clip.end_time, pitch_coarse: clip.pitch_coarse, gain: clip.gain };

const COMMANDS = {
  choose: (name, value) => device.choose(name, value),
  convert: () => device.convert(),
  cancel: () => device.cancel(),
  remove: () => device.remove(),
  // Files whose path has this pattern are gone from now on when the device opens them; null: no more.
  delete: (pattern) => { device.deletes = pattern; },
  undo: () => set.undo(),
  // Waits until what the device says matches, or with "idle" until a conversion can be started.
  wait: (what, limitMs) => new Promise((resolve, reject) => {
    const isSo = () => (what === 'idle' ? device.isIdle : new RegExp(what).test(device.status));
    const end = Date.now() + limitMs;
    const look = () => {
      if (isSo()) resolve(device.status);
      else if (Date.now() > end) reject(new Error(`waited in vain for ${what}: ${device.states.join(' | ')} ${device.log}`));
      else setTimeout(look, LOOK_MS);
    };
    look();
  }),
  report: () => ({ status: device.status, states: device.states, shown: device.shown, log: device.log, port: device.listening, undo: set.undoSteps.length,
    tracks: set.tracks.map((track) => ({ name: track.name, type: track.type, arm: track.arm, color: track.color,
      slots: track.slots.map((slot) => clipFacts(slot.clip)), clips: track.clips.map(clipFacts) })) }),
};

async function answer(line) {
  const [command, ...values] = JSON.parse(line);
  try {
    return { ok: (await COMMANDS[command](...values)) ?? null };
  } catch (error) {
    return { error: error.message };
  }
}

async function main() {
  device.load();
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await answer(line))}\n`);
  }
  process.exit(0);
}

main();
