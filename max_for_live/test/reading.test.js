// What is read of the selected clip: what is refused, what the daemon gets, what the display shows.
'use strict';

const assert = require('assert');
const { test } = require('node:test');
const { READY, converted, newTracks, pages, prepared } = require('./bench.js');

const REFUSED = {
  'nothing selected': [{ selected: false }, /^No clip is selected\. Click an audio clip/],
  'a MIDI clip': [{ clip: { audio: false } }, /^This is a MIDI clip already\. Select an audio clip/],
  'no file': [{ clip: { path: '' } }, /^This clip has no audio file/],
  'a missing file': [{ clip: { path: '/nowhere/loop.wav' } }, /^The clip's audio file is missing\. Locate it/],
  'a recording': [{ clip: { recording: 1 } }, /^This clip is being recorded\. Stop/],
  'a frozen track': [{ track: { frozen: 1 } }, /^The clip's track is frozen\. Unfreeze/],
};
for (const [what, [options, text]] of Object.entries(REFUSED)) {
  test(`with ${what} the device refuses at once, and says why`, () => {
    const made = converted(prepared({}, options));
    assert.match(made.device.status, text);
    assert.strictEqual(made.daemon.count('job/part'), 0);
  });
}

test('an unsaved Set and an unwarped clip are no reason to refuse, but to warn', () => {
  const made = converted(prepared({}, { set: { filePath: '' }, clip: { warping: 0, looping: 0 } }));
  assert.strictEqual(newTracks(made).length, 1);
  assert.match(pages(made), /Done.*This Set is not saved yet.*The clip is not warped/);
});

test('the daemon gets all that it needs to know of the clip', () => {
  const { daemon, file } = converted(prepared({}, { clip: { pitch_coarse: 3, pitch_fine: -20, warp_mode: 4 } }));
  const [request] = daemon.requests;
  assert.deepStrictEqual(request, {
    file_path: file, sample_rate: 44100, sample_length: 352800, warping: 1, warp_mode: 4,
    warp_markers: [[0, 0], [8, 16], [8.015625, 16.03125]].map(([s, b]) => ({ sample_time: s, beat_time: b })),
    start_marker: 4, end_marker: 12, loop_start: 4, loop_end: 12, looping: 1, is_arrangement: 0, start_time: 0, end_time: 0,
    pitch_coarse: 3, pitch_fine: -20, gain: 0.4, tempo: 120, signature: [4, 4], name: 'My Loop', color: 0x123456,
    track_name: 'Loop track', track_index: 1, scene_index: 2, live_version: '12.3.0',
    options: { recording: 'song', parts: ['bass', 'melody', 'vocals', 'drums'], stems: false, components: false, pitch_bend: false },
  });
});

test('the controls become the options of the request', () => {
  const made = prepared();
  const { device, set } = made;
  set.currentTime = 17.3;
  for (const [name, value] of [['recording', 'mix'], ['place', 'arrangement'], ['quantize', '1/16'], ['stems', 1], ['components', 1],
    ['pitch_bend', 1]]) device.choose(name, value);
  converted(made);
  assert.deepStrictEqual(made.daemon.requests[0].options,
    { recording: 'mix', stems: true, components: true, pitch_bend: true, quantize: '1/16', place: 'arrangement' });
  assert.strictEqual(made.daemon.requests[0].start_time, 16);
});

test('the clip in Detail View goes before the highlighted slot, and that before the one that plays on the own track', () => {
  const made = prepared({}, { selected: false, device: { racks: 2 } });
  const { set, track } = made;
  const other = (index, name) => {
    track.slots[index].clip = set.newClip(track.slots[index], { ...made.clip, name, id: undefined, parent: track.slots[index] });
    return track.slots[index].clip;
  };
  track.playing = 2;
  converted(made);
  set.detailClip = null;
  set.highlightedSlot = track.slots[3];
  other(3, 'Highlighted');
  converted(made);
  set.detailClip = other(4, 'In Detail View');
  converted(made);
  assert.deepStrictEqual(made.daemon.requests.map((request) => request.name), ['My Loop', 'Highlighted', 'In Detail View']);
});

test('the display follows the selected clip', () => {
  const { device, set, clock } = prepared();
  assert.strictEqual(device.shown.clip, 'My Loop');
  assert.strictEqual(device.shown.facts, 'Session, warped, 8 beats');
  set.detailClip = null;
  clock.pass(1000);
  assert.strictEqual(device.shown.clip, 'No clip selected');
});

test('how a job ended stands there until another clip is selected', () => {
  const made = converted(prepared());
  made.clock.pass(60_000);
  assert.match(made.device.status, /^Done/);
  const slot = made.track.slots[5];
  slot.clip = made.set.newClip(slot, { ...made.clip, id: undefined, parent: slot });
  made.set.detailClip = slot.clip;
  made.clock.pass(1000);
  assert.strictEqual(made.device.status, READY);
});

test('5,000 warp markers arrive, in hundreds of parts', () => {
  const warp = [...Array(5000).keys()].map((index) => [index * 0.4 + 1 / 3, index + 1 / 7]);
  const made = converted(prepared({}, { clip: { warp } }));
  assert.strictEqual(made.daemon.requests[0].warp_markers.length, 5000);
  assert.strictEqual(made.daemon.count('job/part'), [...made.daemon.jobs.values()][0].parts.length);  // each once
});

test('more warp markers than a request can hold are refused with a sentence', () => {
  const warp = [...Array(20000).keys()].map((index) => [index * 0.4 + 1 / 3, index + 1 / 7]);
  assert.match(converted(prepared({}, { clip: { warp } })).device.status, /too many warp markers\. Delete some/);
});
