// Sets, clips and results for the tests.
'use strict';

const fs = require('fs');
const path = require('path');
const zlib = require('zlib');
const { VirtualClock } = require('./clock.js');
const { VirtualNet } = require('./net.js');
const { LiveSet } = require('./model.js');
const { Device } = require('./max.js');
const { ScriptedDaemon } = require('./daemon.js');

const SECRET = 'the-secret';

// zlib.crc32 is newer than the Node.js of some systems.
function crc32(data) {
  if (zlib.crc32) return zlib.crc32(data).toString(16).padStart(8, '0');
  let crc = -1;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ((crc ^ -1) >>> 0).toString(16).padStart(8, '0');
}

const encoded = (file) => encodeURI(file).replace(/[#?]/g, encodeURIComponent);

// A silent WAV of so many seconds, 44.1 kHz, 16 bits, stereo.
function silence(file, seconds = 0.1) {
  const bytes = Math.round(seconds * 44100) * 4, head = Buffer.alloc(44);
  head.write('RIFF', 0); head.writeUInt32LE(36 + bytes, 4); head.write('WAVEfmt ', 8); head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20); head.writeUInt16LE(2, 22); head.writeUInt32LE(44100, 24); head.writeUInt32LE(176400, 28);
  head.writeUInt16LE(4, 32); head.writeUInt16LE(16, 34); head.write('data', 36); head.writeUInt32LE(bytes, 40);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, Buffer.concat([head, Buffer.alloc(bytes)]));
  return file;
}

const scale = (count, step = 0.25) => [...Array(count).keys()].map((index) =>
  ({ start_time: index * step, pitch: 36 + ((index * 7) % 48), duration: step / 2, velocity: 1 + (index % 127) }));

// Writes what the daemon would (docs/reference/insert.md): {path, crc32} of insert.json, and its content.
function writeResult(folder, { parts = { bass: scale(16) }, stems = [], stemSeconds = 4, warnings = [], ...shape } = {}) {
  const live = path.join(folder, 'live');
  fs.mkdirSync(live, { recursive: true });
  const common = { place: 'session', scene: 0, length_beats: 16, start_marker: 0, end_marker: 16, looping: true, loop_start: 0,
    loop_end: 16, signature: [4, 4], ...shape };
  const clips = Object.entries(parts).map(([part, notes]) => {
    const file = path.join(live, `${part}.json`);
    const data = Buffer.from(JSON.stringify({ schema: 1, part, unit: 'beats', notes }));
    fs.writeFileSync(file, data);
    return { kind: 'midi', part, name: `Loop ${part}`, color: 0x3080f0, path: encoded(path.join(folder, `${part}.mid`)), ...common,
      notes_path: encoded(file), notes: notes.length, notes_crc32: crc32(data) };
  });
  for (const part of stems) {
    const file = silence(path.join(folder, 'stems', `${part}.wav`), stemSeconds);
    clips.push({ kind: 'audio', part, name: `Loop ${part}`, color: 0x3080f0, path: encoded(file), ...common, warping: true,
      warp_mode: 4, warp_markers: [[0, 0], [stemSeconds, stemSeconds * 2]], pitch_coarse: -2, pitch_fine: 10, gain: 0.5,
      ...shape.audio });
  }
  const insert = path.join(live, 'insert.json');
  const content = { schema: 1, stembridge: '0.1.0', source: {}, clips, warnings, ...shape.top };
  const data = Buffer.from(JSON.stringify(content));
  fs.writeFileSync(insert, data);
  return { path: insert, crc32: crc32(data), content };
}

// A folder with the file that `stembridge device install` leaves.
function deviceFolder(folder, facts = { secret: SECRET, port: 17900 }) {
  fs.mkdirSync(folder, { recursive: true });
  if (facts) fs.writeFileSync(path.join(folder, 'stembridge.json'), JSON.stringify(facts));
  return folder;
}

// Three tracks, on the middle one an audio clip that is selected, and the device.
function studio(folder, bundle, options = {}) {
  const clock = options.clock || new VirtualClock();
  const net = options.net || new VirtualNet(clock, options.network);
  const set = new LiveSet({ version: options.version, clock, print: () => {}, faults: options.faults, ...options.set });
  set.addTrack('midi', 0, { name: 'Keys' });
  const track = set.addTrack('audio', 1, { name: 'Loop track', ...options.track });
  set.addTrack('audio', 2, { name: 'After' });
  const file = options.file || silence(path.join(folder, 'loop.wav'), 8);
  const facts = { audio: true, path: file, seconds: 8, rate: 44100, name: 'My Loop', color: 0x123456, looping: 1, loop: [4, 12],
    markers: [4, 12], warp: [[0, 0], [8, 16], [8.015625, 16.03125]], ...options.clip };
  const slot = track.slots[2];
  const clip = options.arrangement ? set.place(track, facts, ...options.arrangement) : (slot.clip = set.newClip(slot, facts));
  if (options.selected !== false) set.detailClip = clip;
  const where = deviceFolder(path.join(folder, 'Device folder'), options.link);
  const device = new Device({ bundle, set, track, clock, net, folder: where, ...options.device });
  const daemon = options.daemon === null ? null : new ScriptedDaemon(net, clock, { secret: SECRET, ...options.daemon });
  return { clock, net, set, track, slot, clip, device, daemon, file };
}

module.exports = { SECRET, crc32, silence, scale, writeResult, deviceFolder, studio };
