// What the script makes of Max's files and versions.
'use strict';

const assert = require('assert');
const fs = require('fs');
const vm = require('vm');
const { test } = require('node:test');
const { converted, prepared } = require('./bench.js');

// The script's host where Max can open these paths and no others.
function hostWith(...known) {
  class File {
    constructor(path) { this.isopen = known.includes(path) ? 1 : 0; }
    get eof() { return 4; }
    close() {}
  }
  const context = vm.createContext({ Task: class { schedule() {} }, File });
  vm.runInContext(fs.readFileSync(process.env.STEMBRIDGE_BUNDLE, 'utf8'), context);
  return context.StembridgeHost;
}

test('a file on another volume of a Mac is found by the name that Max has for the volume', () => {
  assert.strictEqual(hostWith('Big Disk:/Audio/loop.wav').size('/Volumes/Big Disk/Audio/loop.wav'), 4);
  assert.strictEqual(hostWith('/Volumes/Big Disk/Audio/loop.wav').size('/Volumes/Big Disk/Audio/loop.wav'), 4);
  assert.strictEqual(hostWith('Big Disk:/Audio/loop.wav').size('/Users/Big Disk/Audio/loop.wav'), -1);
});

test('a path of Windows is found with the slashes that Max uses, and has a folder', () => {
  const host = hostWith('C:/Users/me/My Music/loop.wav');
  assert.strictEqual(host.size('C:\\Users\\me\\My Music\\loop.wav'), 4);
  assert.strictEqual(host.folder('C:\\Users\\me\\My Music\\loop.wav'), 'C:/Users/me/My Music/');
});

test('a file is missing only where Max would find it', () => {
  const host = hostWith('/music/loop.wav');
  assert.deepStrictEqual(['/music/loop.wav', '/music/other.wav', 'D:\\other.wav'].map(host.isMissing), [false, true, true]);
  assert.deepStrictEqual(['/music/\u97f3.wav', '\\\\nas\\loop.wav', '//nas/loop.wav'].map(host.isMissing), [false, false, false]);
});

test('the self-test prints what only Live can tell, and changes nothing', () => {
  const made = prepared();
  const { length } = made.device.log;
  made.device.context.selftest();
  const printed = made.device.log.slice(length).join('\n');
  for (const words of [/device \S+ \S+, Live 12\.3\.0, Max 90a, macintosh/, /stembridge\.json: \d+ bytes/, /live_set: .*create_midi_track/,
    /create_audio_clip/, /file_path as Live gives it: .*loop\.wav.*bytes/, /warp_markers as Live gives them, \d{3} characters: .*beat_time/,
    /start_marker 4, loop_start 4, warping 1/]) assert.match(printed, words);
  assert.strictEqual(made.set.undoSteps.length, 0);
  converted(made);
  assert.match(made.device.status, /^Done/);
});
