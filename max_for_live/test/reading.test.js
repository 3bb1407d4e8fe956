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

test('what is told of the clip is the clip\'s own: place, scene, signature', () => {
  const clip = { signature_numerator: 6, signature_denominator: 8 };
  const session = prepared({}, { clip });
  session.track.slots[5].clip = session.clip;
  session.track.slots[2].clip = null;
  session.clip.parent = session.track.slots[5];
  const [inScene] = converted(session).daemon.requests;
  assert.deepStrictEqual([inScene.is_arrangement, inScene.scene_index, inScene.signature], [0, 5, [6, 8]]);
  const arrangement = { place: 'arrangement', start_time: 32, end_time: 48 };
  const [placed] = converted(prepared(arrangement, { arrangement: [32, 16] })).daemon.requests;
  assert.deepStrictEqual([placed.is_arrangement, placed.scene_index, placed.start_time, placed.end_time], [1, -1, 32, 48]);
});

test('a clip on a take lane is one of the Arrangement, on the lane\'s track', () => {
  const made = prepared({ place: 'arrangement', start_time: 8, end_time: 24 }, { selected: false });
  made.set.detailClip = made.set.addTake(made.track, made.clip, 8, 16);
  const [request] = converted(made).daemon.requests;
  assert.deepStrictEqual([request.is_arrangement, request.scene_index, request.track_name], [1, -1, 'Loop track']);
  assert.strictEqual(newTracks(made)[0].clips[0].start_time, 8);
});

test('texts that come in quotes are read without them, and so are the warp markers in them', () => {
  const made = converted(prepared({}, { set: { quotes: true }, clip: { name: 'My Loop' } }));
  const [request] = made.daemon.requests;
  assert.deepStrictEqual([request.name, request.track_name, request.file_path], ['My Loop', 'Loop track', made.file]);
  assert.strictEqual(request.warp_markers.length, 3);
  assert.strictEqual(newTracks(made).length, 1);
});

test('warp markers may come as a list alone', () => {
  const made = prepared();
  const { prototype } = made.device.context.LiveAPI, { get } = prototype;
  prototype.get = function bare(name) {
    const given = get.call(this, name);
    return name === 'warp_markers' ? [JSON.stringify(JSON.parse(given[0]).warp_markers)] : given;
  };
  assert.strictEqual(converted(made).daemon.requests[0].warp_markers.length, 3);
});

test('a clip from the Session goes to the bar of the song at the playhead, whatever the clip\'s own signature', () => {
  for (const [signature, start] of [[[4, 4], 16], [[6, 8], 15], [[3, 4], 15]]) {
    const made = prepared({}, { clip: { signature_numerator: 5 }, set: { signature } });
    made.set.currentTime = 17.3;
    made.device.choose('place', 'arrangement');
    converted(made);
    assert.strictEqual(made.daemon.requests[0].start_time, start);
  }
});

test('a device on a Return track or the main track converts what is selected, and asks those for nothing that they lack', () => {
  for (const name of ['A-Reverb', 'Main']) {
    const made = prepared();
    const device = made.device.make({ track: made.set.addOther(name) }).load();
    made.set.detailClip = null;
    made.clock.pass(8000);
    assert.strictEqual(device.shown.clip, 'No clip selected');
    made.set.detailClip = made.clip;
    device.convert();
    made.clock.run(() => device.isIdle);
    assert.match(device.status, /^Done/);
    assert.deepStrictEqual(device.log.filter((line) => /no property|no valid/.test(line)), []);
  }
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
  const made = converted(prepared({}, { clip: { warp }, set: { symbolChars: Infinity } }));
  assert.strictEqual(made.daemon.requests[0].warp_markers.length, 5000);
  assert.strictEqual(made.daemon.count('job/part'), [...made.daemon.jobs.values()][0].parts.length);  // each once
});

test('more warp markers than a request can hold are refused with a sentence', () => {
  const warp = [...Array(20000).keys()].map((index) => [index * 0.4 + 1 / 3, index + 1 / 7]);
  const made = converted(prepared({}, { clip: { warp }, set: { symbolChars: Infinity } }));
  assert.match(made.device.status, /too many warp markers\. Delete some/);
});

test('where Live cuts off the warp markers, because they are too many for a symbol, the clip is refused', () => {
  const warp = [...Array(600).keys()].map((index) => [index * 0.4 + 1 / 3, index + 1 / 7]);
  const made = converted(prepared({}, { clip: { warp } }));
  assert.strictEqual(made.device.status, "Live doesn't tell its warp markers. Delete some of them, or unwarp it.");
  assert.strictEqual(made.daemon.count('job/part'), 0);
});

test('a file on a server, of which Max may know nothing, is left to the daemon to look at', () => {
  for (const file of ['\\\\nas\\audio\\loop.wav', '//nas/audio/loop.wav']) {
    assert.strictEqual(converted(prepared({}, { clip: { path: file } })).daemon.requests[0].file_path, file);
  }
});
