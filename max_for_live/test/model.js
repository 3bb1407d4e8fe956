// A model of Live's Set, as far as the device uses it; liveapi.js is the way to it. What it does stands in public documentation and in
// measurements that others published; it encodes beliefs, and docs/verified.md lists those to be checked in Live itself.
//
// On purpose as unpleasant as Live: failures are printed and not thrown, calls may give nothing, ids outlive the objects that
// were made for them, new tracks come up armed and slowly, colours go to a palette, texts come split at their spaces.
'use strict';

// What each version can do beyond the oldest.
const VERSIONS = {
  '11.3.0': [],
  '12.0.0': [],
  '12.1.5': ['slotAudio'],
  '12.1.10': ['slotAudio', 'midiClip'],
  '12.2.0': ['slotAudio', 'midiClip', 'returns'],
  '12.3.0': ['slotAudio', 'midiClip', 'returns', 'warpEdits'],
};
const SYMBOL_CHARS = 32767;
const BEATS_PER_SECOND_OF_NEW_CLIP = 2;
// Notes that one call takes at most: 11.0 failed with large sets.
const MOST_NOTES = 500;

const range = (count) => [...Array(count).keys()];

class LiveSet {
  // faults: {refuseTracks, refuseTrackFrom, refuseClips, refuseNotes, refusePitch, dropNotes, hideNotes, garbleNotes, refuseAudio,
  // refuseUndo, namesApart, slowTrackMs, lateTrackMs, announceTracks, armMs, keepTracks, ignoreLoop, autoWarp, keepWarp,
  // ignoreWarp, throwIn}
  // `quotes`: texts come in quotes, and what is in them with backslashes, instead of split.
  constructor({ version = '12.3.0', clock, print, faults = {}, tempo = 120, scenes = 8, filePath = '/sets/song.als',
    symbolChars = SYMBOL_CHARS, signature = [4, 4], quotes = false }) {
    Object.assign(this, { version, clock, print, faults, tempo, scenes, filePath, symbolChars, signature, quotes });
    this.can = new Set([...VERSIONS[version], ...(faults.hideNotes ? [] : ['noteReading']), ...(faults.keepWarp ? [] : ['warpRemoving'])]);
    this.nextId = 10;
    this.objects = new Map();
    this.generation = 0;
    this.undoSteps = [];
    this.openStep = null;
    this.created = 0;
    this.currentTime = 0;
    this.detailClip = null;
    this.highlightedSlot = null;
    this.tracks = [];
    this.others = [];  // Return tracks and the main track
    this.root = this.register({ kind: 'Song' });
    this.view = this.register({ kind: 'Song.View', parent: this.root });
    this.app = this.register({ kind: 'Application' });
  }

  register(object) {
    object.id = this.nextId++;
    this.objects.set(object.id, object);
    return object;
  }

  alive(object) {
    if (!object) return false;
    if (['Song', 'Song.View', 'Application'].includes(object.kind)) return true;
    if (object.kind === 'Track') return this.tracks.includes(object) || this.others.includes(object);
    if (object.kind === 'ClipSlot') return this.alive(object.parent) && object.parent.slots.includes(object);
    if (object.kind === 'Clip') {
      const held = object.parent.kind === 'ClipSlot' ? object.parent.clip === object : object.parent.clips.includes(object);
      return held && this.alive(object.parent);
    }
    return this.alive(object.parent);
  }

  // Building a Set

  addTrack(kind, index = this.tracks.length, facts = {}) {
    const track = this.register({ kind: 'Track', parent: this.root, type: kind, name: kind, color: 0, arm: 0, frozen: 0,
      clips: [], slots: [], playing: -1, ...facts });
    track.slots = range(this.scenes).map(() => this.register({ kind: 'ClipSlot', parent: track, clip: null }));
    this.tracks.splice(index, 0, track);
    return track;
  }

  // A Return track or the main track: no slots, no clips, nothing to arm.
  addOther(name) {
    const track = this.register({ kind: 'Track', parent: this.root, type: 'other', name, color: 0 });
    this.others.push(track);
    return track;
  }

  // A take lane of a track with a clip on it.
  addTake(track, facts, start, length) {
    const lane = this.register({ kind: 'TakeLane', parent: track, clips: [] });
    const clip = this.newClip(lane, { ...facts, parent: lane, start_time: start, end_time: start + length, arrangement: true });
    lane.clips.push(clip);
    return clip;
  }

  newClip(parent, facts) {
    return this.register({ kind: 'Clip', parent, name: '', color: 0, audio: false, looping: 1, notes: [], recording: 0,
      signature_numerator: 4, signature_denominator: 4, warping: 1, warp_mode: 0, pitch_coarse: 0, pitch_fine: 0, gain: 0.4,
      start_time: 0, end_time: 0, ...facts });
  }

  addDevice(track, racks = 0) {
    let parent = track;
    for (let depth = 0; depth < racks; depth++) {
      const rack = this.register({ kind: 'RackDevice', parent });
      parent = this.register({ kind: 'Chain', parent: rack });
    }
    return this.register({ kind: 'MaxDevice', parent });
  }

  devicesOn(track) { return [...this.objects.values()].filter((object) => /Device/.test(object.kind) && object.parent === track); }

  // Changes and undo

  change(what, isName = false) {
    if (isName && this.openStep && this.faults.namesApart) return this.changeApart(what);
    const before = this.openStep ? null : this.snapshot();
    const result = what();
    if (before) this.undoSteps.push(before);
    else this.openStep.changed = true;
    return result;
  }

  // In a step of its own, whatever step is open.
  changeApart(what) {
    this.endStep();
    const result = this.change(what);
    this.beginStep();
    return result;
  }

  snapshot() {
    return this.tracks.map((track) => ({ track, facts: { name: track.name, color: track.color, arm: track.arm },
      slots: track.slots.map((slot) => slot.clip && [slot.clip, { ...slot.clip, notes: [...slot.clip.notes] }]),
      clips: track.clips.map((clip) => [clip, { ...clip, notes: [...clip.notes] }]) }));
  }

  undo() {
    const step = this.undoSteps.pop();
    this.tracks = step.map(({ track, facts, slots, clips }) => {
      Object.assign(track, facts);
      const restored = ([clip, copy]) => Object.assign(clip, copy);
      track.slots.forEach((slot, index) => { slot.clip = slots[index] && restored(slots[index]); });
      track.clips = clips.map(restored);
      return track;
    });
  }

  // Steps aren't counted: the first end closes what any device has begun.
  beginStep() {
    this.openStep ??= { before: this.snapshot(), changed: false };
  }

  endStep() {
    if (!this.openStep) return this.print('end_undo_step: no undo step is open');
    if (this.openStep.changed) this.undoSteps.push(this.openStep.before);
    this.openStep = null;
    return undefined;
  }

  // What Live's functions do. Undefined is what a call gives that failed.

  createTrack(type, index) {
    if (this.faults.refuseTracks || this.created >= (this.faults.refuseTrackFrom ?? Infinity)) {
      return this.print('create_track: the maximum number of tracks is reached');
    }
    this.created += 1;
    const at = index < 0 ? this.tracks.length : index;
    if (at > this.tracks.length) return this.print('create_track: index out of range');
    const { lateTrackMs, announceTracks, slowTrackMs = 250, armMs } = this.faults;
    if (lateTrackMs) {
      const known = announceTracks ? this.register({ kind: 'Nothing' }) : null;
      this.clock.after(lateTrackMs, () => this.change(() => {
        const track = this.addTrack(type, Math.min(at, this.tracks.length), { arm: 1 });
        if (known) this.objects.set(track.id = known.id, track);
      }));
      return ['id', known ? known.id : 0];
    }
    this.clock.block(slowTrackMs);
    const track = this.change(() => this.addTrack(type, at, { arm: 1, name: `${at + 1}-${type}` }));
    if (armMs) this.clock.after(armMs, () => { track.arm = 1; });
    return ['id', track.id];
  }

  deleteTrack(index) {
    const track = this.tracks[index];
    if (!track || this.faults.keepTracks) return this.print('delete_track: could not be deleted');
    this.change(() => this.tracks.splice(index, 1));
    return undefined;
  }

  createClip(slot, length) {
    if (slot.parent.type !== 'midi' || slot.clip || !(length > 0) || this.faults.refuseClips) {
      return this.print('create_clip: only in an empty slot of a MIDI track, with a length above 0');
    }
    this.change(() => {
      slot.clip = this.newClip(slot, { loop: [0, length], markers: [0, length] });
      this.detailClip = slot.clip;  // what is new is selected
    });
    return undefined;
  }

  createAudioClip(slot, path) {
    if (slot.parent.type !== 'audio') return this.print('Audio clips can only be created on audio tracks');
    const seconds = this.secondsOf(path);
    if (seconds === null || this.faults.refuseAudio) {
      return this.print('The provided path does not appear to point to a valid audio file');
    }
    const beats = seconds * BEATS_PER_SECOND_OF_NEW_CLIP;
    this.change(() => {
      slot.clip = this.newClip(slot, { audio: true, path, seconds, rate: 44100, looping: 0, loop: [0, beats], markers: [0, beats],
        warp: this.faults.autoWarp || [[0, 0], [0.015625, 0.03125]], name: path.split('/').pop() });
    });
    return ['id', slot.clip.id];
  }

  secondsOf(path) {
    const fs = require('fs');
    if (!fs.existsSync(path)) return null;
    return (fs.statSync(path).size - 44) / (44100 * 4);
  }

  createMidiClip(track, start, length) {
    if (track.type !== 'midi' || start < 0 || !(length > 0) || this.faults.refuseClips) {
      return this.print('create_midi_clip: not possible');
    }
    const clip = this.place(track, { loop: [0, length], markers: [0, length] }, start, length);
    return this.can.has('returns') ? ['id', clip.id] : undefined;
  }

  place(track, facts, start, length) {
    return this.change(() => {
      for (const old of [...track.clips]) {
        if (old.start_time < start && old.end_time > start + 1e-9) old.end_time = start;
        else if (old.start_time < start + length - 1e-9 && old.end_time > start + 1e-9) {
          track.clips.splice(track.clips.indexOf(old), 1);
        }
      }
      const clip = this.newClip(track, { ...facts, start_time: start, end_time: start + length, arrangement: true });
      track.clips.push(clip);
      track.clips.sort((a, b) => a.start_time - b.start_time);
      this.generation += 1;
      return clip;
    });
  }

  duplicateToArrangement(track, id, start) {
    const source = this.objects.get(id);
    if (!this.alive(source)) return this.print('duplicate_clip_to_arrangement: no such clip');
    if (source.arrangement) throw new Error('Live crashed: an Arrangement clip was duplicated onto itself');
    if (source.audio !== (track.type === 'audio') || this.faults.refuseClips) {
      return this.print('duplicate_clip_to_arrangement: wrong kind of track');
    }
    const [from, to] = source.looping ? source.loop : source.markers;
    const length = (to - from) * (source.audio && !source.warping ? this.tempo / 60 : 1);
    const { id: _, parent: __, ...facts } = source;
    const copied = { ...facts, loop: [...source.loop], markers: [...source.markers], notes: source.notes.map((n) => ({ ...n })) };
    this.place(track, copied, start, length);
    return this.can.has('returns') ? ['id', track.clips.at(-1).id] : undefined;
  }

  // Live cuts or deletes notes of one pitch that overlap.
  addNotes(clip, dictionary) {
    const notes = dictionary && dictionary.notes;
    if (!Array.isArray(notes) && !(notes && notes.length !== undefined)) return this.print('add_new_notes: no notes');
    if (clip.audio || this.faults.refuseNotes || notes.length > MOST_NOTES) return this.print('add_new_notes: not possible');
    const drop = Math.min(this.faults.dropNotes || 0, notes.length);
    this.faults.dropNotes -= drop;
    return this.change(() => {
      for (const note of Array.from(notes).slice(drop).filter(({ pitch }) => pitch !== this.faults.refusePitch)) {
        const known = ['pitch', 'start_time', 'duration', 'velocity', 'mute', 'probability', 'velocity_deviation', 'release_velocity'];
        for (const key of Object.keys(note)) if (!known.includes(key)) this.print(`add_new_notes: unknown key ${key}`);
        const made = { velocity: 100, mute: 0, probability: 1, velocity_deviation: 0, release_velocity: 64, ...note };
        for (const other of clip.notes.filter((old) => old.pitch === made.pitch)) {
          if (Math.abs(other.start_time - made.start_time) < 1e-6) clip.notes.splice(clip.notes.indexOf(other), 1);
          else if (other.start_time < made.start_time && other.start_time + other.duration > made.start_time + 1e-6) {
            other.duration = made.start_time - other.start_time;
          }
        }
        clip.notes.push(made);
      }
      clip.notes.sort((a, b) => a.start_time - b.start_time || a.pitch - b.pitch);
      return [];
    });
  }

  notesIn(clip, pitch, span, from, length) {
    const inside = clip.notes.filter((note) => note.pitch >= pitch && note.pitch < pitch + span &&
      note.start_time >= from && note.start_time < from + length);
    const text = JSON.stringify({ notes: inside.map((note, index) => ({ note_id: index + 1, ...note })) });
    if (this.faults.garbleNotes) return 'dictionary u123';
    return text.length > SYMBOL_CHARS ? this.print('get_notes_extended: symbol too long') : text;
  }

  addWarpMarker(clip, marker) {
    if (this.faults.ignoreWarp) return this.print('add_warp_marker: not possible');
    const hidden = clip.warp.at(-1), visible = clip.warp.slice(0, -1);
    const [second, beat] = [marker.sample_time, marker.beat_time];
    if (visible.some((old) => (old[0] - second) * (old[1] - beat) <= 0)) return this.print('add_warp_marker: no room for one');
    this.change(() => {
      const slope = (hidden[1] - visible.at(-1)[1]) / (hidden[0] - visible.at(-1)[0]);
      const all = [...visible, [second, beat]].sort((a, b) => a[0] - b[0]);
      const last = all.at(-1), tempo = last === visible.at(-1) || all.length < 2 ? slope
        : (last[1] - all.at(-2)[1]) / (last[0] - all.at(-2)[0]);
      clip.warp = [...all, [last[0] + 0.03125 / tempo, last[1] + 0.03125]];
    });
    return undefined;
  }

  // Neither the first nor the hidden one can be removed.
  removeWarpMarker(clip, beat) {
    const found = clip.warp.findIndex((marker) => Math.abs(marker[1] - beat) < 1e-6);
    if (found < 1 || found === clip.warp.length - 1 || this.faults.ignoreWarp) return this.print('remove_warp_marker: no marker there');
    this.change(() => { clip.warp = clip.warp.filter((_, index) => index !== found); });
    return undefined;
  }

  moveWarpMarker(clip, beat, distance) {
    const found = clip.warp.findIndex((marker) => Math.abs(marker[1] - beat) < 1e-6);
    if (found < 0 || this.faults.ignoreWarp) return this.print('move_warp_marker: no marker there');
    this.change(() => {
      const alone = clip.warp.length === 2;
      clip.warp = clip.warp.map(([s, b], index) => (index === found || (alone && found === 0) ? [s, b + distance] : [s, b]));
    });
    return undefined;
  }
}

module.exports = { LiveSet, VERSIONS: Object.keys(VERSIONS) };
