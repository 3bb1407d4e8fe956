// Inserting results into the model of Live, in each of its versions and with what it may refuse.
'use strict';

const assert = require('assert');
const fs = require('fs');
const path = require('path');
const { test } = require('node:test');
const { VERSIONS } = require('./model.js');
const { scale } = require('./scenario.js');
const { converted, ended, newTracks, notesOf, pages, prepared, unchanged, until } = require('./bench.js');

const TWO = { parts: { bass: scale(20), drums: scale(20) } };
// Another tempo than the one that Live gives to a new clip.
const WARPED = { warp_markers: [[0, 1], [4, 7]] };

for (const version of VERSIONS) {
  test(`Live ${version}: a Session clip becomes clips on tracks after its own`, () => {
    const notes = scale(40);
    const made = converted(prepared({ parts: { bass: notes, drums: scale(8) }, scene: 2, start_marker: 4, end_marker: 12,
      loop_start: 4, loop_end: 12, length_beats: 12, signature: [6, 8] }, { version }));
    const [bass, drums] = newTracks(made);
    assert.deepStrictEqual(made.set.tracks.map((track) => track.name),
      ['Keys', 'Loop track', 'Loop bass', 'Loop drums', 'After']);
    const { clip } = bass.slots[2];
    assert.deepStrictEqual(notesOf(clip), notes);
    assert.deepStrictEqual([clip.markers, clip.loop, clip.looping], [[4, 12], [4, 12], 1]);
    assert.deepStrictEqual([clip.signature_numerator, clip.signature_denominator, clip.name], [6, 8, 'Loop bass']);
    assert.strictEqual(bass.arm, 0);
    assert.strictEqual(bass.color, 0x3080f0);
    assert.strictEqual(drums.slots[2].clip.notes.length, 8);
    assert.match(made.device.status, /^Done: 2 clips, 48 notes\. Undo/);
    assert.deepStrictEqual(made.daemon.inserted, { clips: 2, notes: 48 });
    made.set.undo();
    unchanged(made);
  });

  test(`Live ${version}: an Arrangement clip becomes clips at its place`, () => {
    const notes = scale(12);
    const shape = { place: 'arrangement', start_time: 32, end_time: 48, length_beats: 16, loop_start: 0, loop_end: 4 };
    const made = converted(prepared({ parts: { bass: notes }, ...shape }, { version, arrangement: [32, 16] }));
    const [track] = newTracks(made);
    assert.strictEqual(track.slots.filter((slot) => slot.clip).length, 0);
    const [clip, ...others] = track.clips;
    assert.deepStrictEqual(others, []);
    assert.deepStrictEqual([clip.start_time, clip.end_time, clip.loop, clip.looping], [32, 48, [0, 4], 1]);
    assert.deepStrictEqual(notesOf(clip), notes);
    made.set.undo();
    unchanged(made);
  });

  test(`Live ${version}: stems go beside their MIDI, or the user is told where they are`, () => {
    const made = converted(prepared({ stems: ['bass'], audio: WARPED }, { version }));
    const [, stem] = newTracks(made);
    if (!made.set.can.has('warpEdits')) {
      assert.strictEqual(stem, undefined);
      assert.match(pages(made), /drag them into Live from/);
      return;
    }
    const { clip } = stem.slots[0];
    assert.deepStrictEqual([clip.markers, clip.loop, clip.looping, clip.warping], [[0, 16], [0, 16], 1, 1]);
    assert.deepStrictEqual(clip.warp.slice(0, -1), [[0, 1], [4, 7]]);
    assert.deepStrictEqual([clip.pitch_coarse, clip.pitch_fine, clip.gain, clip.warp_mode], [-2, 10, 0.5, 4]);
    assert.deepStrictEqual(newTracks(made).map((track) => track.type), ['midi', 'audio']);
  });
}

// What Live may have put there by itself: a marker in between, all of them elsewhere, the first one not at the file's start.
const OWN_MARKERS = [
  [[0, 0], [2, 5], [2.015625, 5.03125]],
  [[0, 0], [0.5, 8], [3, 9], [3.015625, 9.03125]],
  [[0.3, 0], [1, 2], [1.015625, 2.03125]],
  [[0, 1], [4, 7], [6, 20], [6.015625, 20.03125]],
];
for (const autoWarp of OWN_MARKERS) {
  test(`a stem that Live warped at ${autoWarp[0]}, ${autoWarp[1]}... is in time all the same`, () => {
    const made = converted(prepared({ stems: ['bass'], audio: WARPED }, { faults: { autoWarp } }));
    const { clip } = newTracks(made)[1].slots[0];
    assert.deepStrictEqual(made.device.log.filter((line) => /warp_marker/.test(line)), []);
    const visible = clip.warp.slice(0, -1);
    for (const marker of WARPED.warp_markers) assert.ok(visible.some((own) => own.join() === marker.join()), String(clip.warp));
    for (const [second, beat] of visible) assert.ok(Math.abs(beat - (1 + second * 1.5)) < 1e-6, String(clip.warp));
  });
}

test('a stem of which Live took only the markers at the ends is left to the user', () => {
  const audio = { warp_markers: [[0, 1], [2, 3], [4, 7]] };
  const faults = { autoWarp: [[0, 1], [4, 7], [4.015625, 7.03125]], ignoreWarp: true };
  const made = converted(prepared({ stems: ['bass'], audio }, { faults }));
  assert.deepStrictEqual(newTracks(made).map((track) => track.type), ['midi']);
});

test('a stem on which Live keeps a warp marker between the right ones is left to the user', () => {
  for (const faults of [{ autoWarp: OWN_MARKERS[0], keepWarp: true }, { autoWarp: [[0, 1], [2, 5], [4, 7], [5, 9]], ignoreWarp: true }]) {
    const made = converted(prepared({ stems: ['bass'], audio: WARPED }, { faults }));
    assert.deepStrictEqual(newTracks(made).map((track) => track.type), ['midi']);
    assert.match(pages(made), /drag them into Live/);
  }
});

test('a loop behind the end of the new clip is set', () => {
  const made = converted(prepared({ start_marker: 9, end_marker: 30, loop_start: 20, loop_end: 24, length_beats: 4 }));
  const { clip } = newTracks(made)[0].slots[0];
  assert.deepStrictEqual([clip.looping, clip.loop, clip.markers], [1, [20, 24], [9, 30]]);
});

test('a stem in the Arrangement sounds the loop as often as its source, piece by piece', () => {
  const shape = { parts: {}, stems: ['bass'], stemSeconds: 8, place: 'arrangement', start_time: 8, end_time: 21, length_beats: 13,
    start_marker: 2, end_marker: 16, loop_start: 4, loop_end: 8 };
  const made = converted(prepared(shape, { arrangement: [8, 13] }));
  const [track] = newTracks(made);
  assert.deepStrictEqual(track.clips.map((clip) => [clip.start_time, clip.end_time, ...clip.markers]),
    [[8, 14, 2, 8], [14, 18, 4, 8], [18, 21, 4, 7]]);
  assert.ok(track.slots.every((slot) => slot.clip === null));
});

test('a stem that would have to be cut into hundreds of pieces is left to the user', () => {
  const shape = { parts: {}, stems: ['bass'], place: 'arrangement', start_time: 8, end_time: 21, length_beats: 13, start_marker: 2,
    loop_start: 2, loop_end: 2.05 };
  const made = converted(prepared(shape, { arrangement: [8, 13] }));
  unchanged(made);
  assert.match(pages(made), /drag them into Live/);
});

test('an unwarped stem has its markers in seconds and is not warped', () => {
  const audio = { warping: false, warp_markers: [], looping: false, start_marker: 1, end_marker: 3, loop_start: 1, loop_end: 3 };
  const made = converted(prepared({ parts: {}, stems: ['vocals'], audio }, { clip: { warping: 0, looping: 0 } }));
  const { clip } = newTracks(made)[0].slots[0];
  assert.deepStrictEqual([clip.warping, clip.looping, clip.markers], [0, 0, [1, 3]]);
  assert.match(pages(made), /The clip is not warped\./);
});

test('a clip without a loop has none, whatever its markers', () => {
  const made = converted(prepared({ looping: false, start_marker: 9, end_marker: 11, loop_start: 9, loop_end: 11, length_beats: 4 }));
  const { clip } = newTracks(made)[0].slots[0];
  assert.deepStrictEqual([clip.looping, clip.markers], [0, [9, 11]]);
});

test('5,000 notes arrive, each of them once', () => {
  const notes = scale(5000, 0.0625);
  const made = converted(prepared({ parts: { drums: notes }, length_beats: 313, end_marker: 313, loop_end: 313 }));
  assert.deepStrictEqual(notesOf(newTracks(made)[0].slots[0].clip), notes);
  assert.match(made.device.status, /Done: 1 clip, 5000 notes\./);
  assert.strictEqual(made.set.undoSteps.length, 1);
});

test('notes that Live left out are added once more', () => {
  const made = converted(prepared({ parts: { bass: scale(700) } }, { faults: { dropNotes: 3 } }));
  assert.deepStrictEqual(notesOf(newTracks(made)[0].slots[0].clip), scale(700));
});

test('a thousand notes that Live left out are added as those before, some at a time', () => {
  const made = converted(prepared({ parts: { bass: scale(1200) } }, { faults: { dropNotes: 1100 } }));
  assert.deepStrictEqual(notesOf(newTracks(made)[0].slots[0].clip), scale(1200));
  assert.match(made.device.status, /^Done: 1 clip, 1200 notes\./);
});

test('notes that Live never takes are counted', () => {
  const notes = scale(20);
  const refusePitch = notes[3].pitch;
  const taken = notes.filter((note) => note.pitch !== refusePitch);
  const made = converted(prepared({ parts: { bass: notes } }, { faults: { refusePitch } }));
  assert.deepStrictEqual(notesOf(newTracks(made)[0].slots[0].clip), taken);
  assert.match(pages(made), new RegExp(`Done: 1 clip, ${taken.length} notes\\. .*'Loop bass': Live took ${taken.length} of 20 notes\\.`));
});

test('notes that this Live can\'t read back are said to be unchecked', () => {
  const made = converted(prepared({}, { faults: { hideNotes: true } }));
  assert.deepStrictEqual(notesOf(newTracks(made)[0].slots[0].clip), scale(16));
  assert.match(pages(made), /Done: 1 clip, 16 notes\. .*'Loop bass': Live can't tell which notes it took\./);
});

test('markers that Live didn\'t take are told, of clips and of stems', () => {
  const shape = { stems: ['vocals'], loop_start: 4, loop_end: 8, audio: { ...WARPED, name: 'The stem' } };
  const said = pages(converted(prepared(shape, { faults: { ignoreLoop: true } })));
  assert.match(said, /Check loop and markers of 'Loop bass'\./);
  assert.match(said, /Check loop and markers of 'The stem'\./);
});

test('the colours are the source clip\'s if the user wants that', () => {
  const made = prepared();
  made.device.choose('colour', 'clip');
  converted(made);
  assert.strictEqual(newTracks(made)[0].color, 0x123456 & 0xf0f0f0);
});

test('tracks of which each takes Live two seconds are waited for, and the link stays up', () => {
  const parts = Object.fromEntries(['bass', 'melody', 'vocals', 'drums'].map((part) => [part, scale(4)]));
  const made = converted(prepared({ parts }, { faults: { slowTrackMs: 2000 } }));
  assert.strictEqual(newTracks(made).length, 4);
  assert.ok(made.device.states.every((state) => !/waiting for it|isn't running/.test(state)));
});

test('tracks that come two seconds after the call are not asked for twice', () => {
  const made = converted(prepared({ parts: { bass: scale(4), drums: scale(4) } }, { faults: { lateTrackMs: 2000 } }));
  assert.deepStrictEqual(newTracks(made).map((track) => track.name), ['Loop bass', 'Loop drums']);
  assert.ok(newTracks(made).every((track) => track.arm === 0));
});

test('a late track of which Live has said the id is waited for, whatever else appears', () => {
  const made = prepared({}, { faults: { lateTrackMs: 2000, announceTracks: true } });
  made.device.convert();
  until(made, /Inserting/);
  made.clock.pass(500);
  const theirs = made.set.addTrack('midi', 2, { name: 'The user made this meanwhile' });
  ended(made);
  assert.match(made.device.status, /^Done/);
  assert.deepStrictEqual(theirs.slots.filter((slot) => slot.clip), []);
  assert.deepStrictEqual(newTracks(made).map((track) => track.name), ['Loop bass', theirs.name]);
});

// What the user may add just when Live makes none for the device.
const THEIRS = {
  'a take': ['audio', (set, track) => { track.slots[0].clip = set.newClip(track.slots[0], { audio: true, loop: [0, 4], markers: [0, 4] }); }],
  'notes': ['midi', (set, track) => { track.slots[3].clip = set.newClip(track.slots[3], { loop: [0, 4], markers: [0, 4] }); }],
  'notes in the Arrangement': ['midi', (set, track) => set.place(track, { loop: [0, 4], markers: [0, 4] }, 0, 4)],
  'an instrument': ['midi', (set, track) => set.addDevice(track)],
  'another kind of input': ['audio', () => {}],
  'a place before the clip\'s track': ['midi', () => {}, 0],
};
for (const [what, [type, fill, index = 2]] of Object.entries(THEIRS)) {
  test(`a track with ${what} that the user adds while Live refuses one stays as it is`, () => {
    const made = prepared({}, { faults: { refuseTracks: true } });
    made.device.convert();
    until(made, /Inserting/);
    made.clock.pass(300);
    const theirs = made.set.addTrack(type, index, { name: 'Theirs', arm: 1 });
    fill(made.set, theirs);
    made.tracksBefore = [...made.set.tracks];
    ended(made);
    assert.match(made.device.status, /Live made no track/);
    unchanged(made);
    assert.deepStrictEqual([theirs.name, theirs.arm], ['Theirs', 1]);
  });
}

test('a new track on which the user has recorded meanwhile is not removed', () => {
  for (const where of ['slot', 'arrangement']) {
    const made = prepared(TWO, { faults: { slowTrackMs: 1000 } });
    made.device.convert();
    made.clock.run(() => newTracks(made).length === 2);
    const [first] = newTracks(made), facts = { loop: [0, 4], markers: [0, 4] };
    if (where === 'slot') first.slots[5].clip = made.set.newClip(first.slots[5], facts);
    else made.set.place(first, facts, 0, 4);
    made.device.cancel();
    ended(made);
    assert.match(made.device.status, /^A track with a clip of yours was kept\. Delete what/);
    assert.deepStrictEqual(newTracks(made), [first]);
  }
});

test('a stem\'s track on which the user has recorded meanwhile is not removed', () => {
  const made = prepared({ stems: ['bass'], audio: WARPED }, { faults: { ignoreWarp: true } });
  made.device.convert();
  made.clock.run(() => newTracks(made).length === 2);
  const track = newTracks(made)[1];
  track.slots[5].clip = made.set.newClip(track.slots[5], { audio: true, loop: [0, 4], markers: [0, 4] });
  ended(made);
  assert.match(pages(made), /^Done.*drag them into Live/);
  assert.ok(made.set.tracks.includes(track));
});

test('several devices at once each get the tracks that they asked for, however late Live makes them', () => {
  for (const lateTrackMs of [20, 1500, 1503]) {
    const made = prepared({ parts: { bass: scale(4), drums: scale(4) } }, { faults: { lateTrackMs } });
    const devices = [made.device, made.device.make().load(), made.device.make().load()];
    made.clock.pass(6000);
    for (const device of devices) device.convert();
    made.clock.run(() => devices.every((device) => device.isIdle), 100_000);
    made.clock.pass(5000);
    for (const device of devices) assert.ok(device.states.some((state) => /^Done: 2 clips, 8 notes\./.test(state)));
    assert.deepStrictEqual(newTracks(made).map((track) => track.name).sort(),
      [...Array(3).fill('Loop bass'), ...Array(3).fill('Loop drums')]);
    assert.ok(newTracks(made).every((track) => track.arm === 0 && track.slots.filter((slot) => slot.clip).length === 1));
    assert.strictEqual(made.set.openStep, null);
  }
});

test('new tracks are not armed, neither while they are filled nor if Live arms them later', () => {
  for (const armMs of [0, 5, 40]) {
    const made = prepared({ parts: { bass: scale(2000) } }, { faults: { armMs } });
    const make = made.set.createClip.bind(made.set);
    made.set.createClip = (slot, length) => {
      if (!armMs) assert.strictEqual(slot.parent.arm, 0);
      return make(slot, length);
    };
    converted(made);
    assert.strictEqual(newTracks(made)[0].arm, 0);
  }
});

test('in a Live where names are undo steps of their own, as many of them take everything back', () => {
  const made = converted(prepared(TWO, { faults: { namesApart: true } }));
  assert.ok(made.set.undoSteps.length > 1);
  while (made.set.undoSteps.length) made.set.undo();
  unchanged(made);
});

test('new tracks of a clip in a group come right after its track', () => {
  const made = prepared();
  made.set.addTrack('midi', 1, { name: 'Group', foldable: 1 });
  converted(made);
  assert.deepStrictEqual(made.set.tracks.map((track) => track.name), ['Keys', 'Group', 'Loop track', 'Loop bass', 'After']);
});

test('afterwards the clip is shown that was shown before, unless the user has chosen another', () => {
  const made = converted(prepared());
  assert.strictEqual(made.set.detailClip, made.clip);
  made.device.convert();
  until(made, /Inserting/);
  const other = made.set.tracks[0].slots[0];
  other.clip = made.set.newClip(other, { loop: [0, 4], markers: [0, 4] });
  made.clock.run(() => newTracks(made).length > 1 && newTracks(made).every((track) => track.slots[0].clip));
  made.set.detailClip = other.clip;
  ended(made);
  assert.strictEqual(made.set.detailClip, other.clip);
});

test('without undo steps it works as well', () => {
  const made = converted(prepared({}, { faults: { refuseUndo: true } }));
  assert.strictEqual(newTracks(made).length, 1);
});

test('new tracks come after the source\'s track wherever that has gone meanwhile', () => {
  const made = prepared();
  made.device.convert();
  until(made, /Converting/);
  made.set.tracks.reverse();
  made.set.addTrack('midi', 0, { name: 'New' });
  ended(made);
  assert.deepStrictEqual(made.set.tracks.map((track) => track.name), ['New', 'After', 'Loop track', 'Loop bass', 'Keys']);
});

test('if the source\'s track is gone, new tracks come where it was', () => {
  const made = prepared();
  made.device.convert();
  until(made, /Converting/);
  made.set.tracks.splice(1, 1);
  ended(made);
  assert.deepStrictEqual(made.set.tracks.map((track) => track.name), ['Keys', 'After', 'Loop bass']);
});

test('a result without clips says so', () => {
  const made = converted(prepared({ parts: {} }));
  assert.match(made.device.status, /Nothing was found/);
  unchanged(made);
});

test('the daemon\'s warnings are shown', () => {
  const made = converted(prepared({ warnings: ['The tempo changes: notes drift from the audio.'] }));
  assert.match(pages(made), /Done: .* The tempo changes: notes drift from the audio\./);
});

// Nothing is left behind

const REFUSALS = {
  'a second track': [{ refuseTrackFrom: 1 }, /Live made no track/],
  'any track': [{ refuseTracks: true }, /Live made no track/],
  'clips': [{ refuseClips: true }, /Live made no clip/],
  'notes': [{ refuseNotes: true }, /Live took no notes/],
  'to say which notes it took': [{ garbleNotes: true }, /Live doesn't tell which notes it took/],
};
for (const [what, [faults, text]] of Object.entries(REFUSALS)) {
  test(`if Live refuses ${what}, only this job's tracks are removed`, () => {
    const made = prepared(TWO, { faults, arrangement: what === 'clips' ? [0, 16] : undefined });
    made.device.convert();
    until(made, /Converting/);
    made.tracksBefore.push(made.set.addTrack('midi', 3, { name: 'The user made this meanwhile' }));
    ended(made);
    assert.match(made.device.status, text);
    unchanged(made);
    assert.strictEqual(made.set.openStep, null);
    made.set.faults = {};
    converted(made);
    assert.strictEqual(newTracks(made).length, 2);
  });
}

test('if Live refuses a stem, the notes stay and the user is told where it is', () => {
  for (const faults of [{ refuseAudio: true }, { ignoreWarp: true }]) {
    const made = converted(prepared({ stems: ['bass'], audio: WARPED }, { faults }));
    assert.deepStrictEqual(newTracks(made).map((track) => track.type), ['midi']);
    assert.match(pages(made).replace(/ /g, ''), new RegExp(`drag.*${path.join(made.where, 'result/stems/').replace(/ /g, '')}`));
  }
});

test('tracks that come after a refused stem are in the order of the result', () => {
  const made = prepared({ parts: { bass: scale(4), drums: scale(4), melody: scale(4) }, stems: ['bass', 'drums'], audio: WARPED },
    { faults: { refuseAudio: true } });
  converted(made);
  assert.deepStrictEqual(newTracks(made).map((track) => track.name), ['Loop bass', 'Loop drums', 'Loop melody']);
});

test('something that nobody thought of ends the job, and leaves nothing behind', () => {
  for (const throwIn of ['add_new_notes', 'create_clip', 'delete_track']) {
    const made = converted(prepared(TWO, { faults: { throwIn, ...(throwIn === 'delete_track' && { refuseNotes: true }) } }));
    assert.match(made.device.status, throwIn === 'delete_track' ? /Press Undo/ : /Something failed inside the device/);
    if (throwIn !== 'delete_track') unchanged(made);
    assert.strictEqual(made.set.openStep, null);
  }
});

test('a display that fails in the middle of inserting ends the job, and leaves nothing behind', () => {
  const made = prepared(TWO, { faults: { slowTrackMs: 1000 } });
  made.device.convert();
  made.clock.run(() => newTracks(made).length === 1);
  made.device.refusesToShow = true;
  made.clock.pass(2000);
  made.device.refusesToShow = false;
  ended(made);
  assert.match(made.device.status, /Something failed inside the device/);
  unchanged(made);
});

test('a stem whose file is gone costs no notes', () => {
  const made = prepared({ stems: ['bass'] });
  fs.rmSync(path.join(made.where, 'result/stems'), { recursive: true });
  converted(made);
  assert.deepStrictEqual(newTracks(made).map((track) => track.type), ['midi']);
});

test('if Live keeps a track, the user is told how to be rid of it', () => {
  const made = converted(prepared(TWO, { faults: { refuseTrackFrom: 1, keepTracks: true } }));
  assert.match(made.device.status, /Press Undo/);
});

test('a result that is gone, damaged or newer is refused before the Set is touched', () => {
  const cases = [
    [(made) => fs.rmSync(path.join(made.where, 'result'), { recursive: true }), /files are gone/],
    [(made) => fs.rmSync(path.join(made.where, 'result/live/bass.json')), /files are gone/],
    [(made) => fs.appendFileSync(made.result.path, ' '), /files are damaged/],
    [(made) => fs.truncateSync(path.join(made.where, 'result/live/bass.json'), 50), /files are damaged/],
    [(made) => fs.appendFileSync(path.join(made.where, 'result/live/bass.json'), ' '), /files are damaged/],
  ];
  for (const [harm, text] of cases) {
    const made = prepared();
    harm(made);
    converted(made);
    assert.match(made.device.status, text);
    assert.match(made.device.status, /Press Convert/);
    unchanged(made);
    assert.strictEqual(made.set.undoSteps.length, 0);
  }
  assert.match(converted(prepared({ top: { schema: 2 } })).device.status, /too old for this result\. Run: stembridge device install/);
});

test('paths of 200 letters of any script are read', () => {
  const name = '\u97f3\u697d \u00e9\ud83c\udfb5 100% #1? '.repeat(4).trim();
  const made = converted(prepared({ stems: ['bass'] }, { resultFolder: `${name}/${'long '.repeat(30)}end` }));
  assert.ok(made.result.path.length > 200);
  assert.strictEqual(newTracks(made).length, 2);
});
