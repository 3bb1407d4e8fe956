// LiveAPI of the model: what each kind of object has and can do, and the class as Max gives it to scripts.
'use strict';

// Properties of each kind of object: [get, set]. A setter gives an error's text if Live refuses.

const heldRange = (clip, isLoop) => (isLoop && clip.looping ? clip.loop : clip.markers);

function setRange(clip, value, name) {
  const isLoop = name.startsWith('loop');
  const [start, end] = heldRange(clip, isLoop);
  const next = ['loop_start', 'start_marker'].includes(name) ? [value, end] : [start, value];
  if (next[0] >= next[1]) return `${name}: the start must be before the end`;
  if (isLoop && clip.looping) clip.loop = next;
  else clip.markers = next;
  return '';
}

const range0 = (isLoop, index) => [(clip) => heldRange(clip, isLoop)[index], (clip, value, name, set) => {
  if (isLoop && set.faults.ignoreLoop) return 'loop: not possible';
  return setRange(clip, value, name);
}];
const plain = (name) => [(o) => o[name], (o, value) => { o[name] = value; return ''; }];
const readOnly = (get) => [get, null];
const audioOnly = (get, set) => [(clip, live) => (clip.audio ? get(clip, live) : undefined), set];
const palette = [(o) => o.color, (o, value) => { o.color = value & 0xf0f0f0; return ''; }];
const idsOf = (objects) => objects.flatMap((object) => ['id', object.id]);

const PROPERTIES = {
  Song: {
    tracks: readOnly((song, set) => idsOf(set.tracks)), tempo: readOnly((song, set) => set.tempo),
    file_path: readOnly((song, set) => set.filePath), current_song_time: readOnly((song, set) => set.currentTime),
    signature_numerator: readOnly((song, set) => set.signature[0]), signature_denominator: readOnly((song, set) => set.signature[1]),
  },
  'Song.View': {
    detail_clip: [(view, set) => ['id', set.alive(set.detailClip) ? set.detailClip.id : 0], (view, value, name, set) => {
      set.detailClip = set.objects.get(Number(value.replace('id ', '')));
      return '';
    }],
    highlighted_clip_slot: readOnly((view, set) => ['id', set.highlightedSlot ? set.highlightedSlot.id : 0]),
  },
  Application: {},
  Track: {
    name: plain('name'), color: palette, arm: plain('arm'), is_frozen: readOnly((t) => t.frozen),
    can_be_armed: readOnly((t) => (t.slots ? 1 : 0)), devices: readOnly((t, set) => idsOf(set.devicesOn(t))),
    has_midi_input: readOnly((t) => (t.type === 'midi' ? 1 : 0)), has_audio_input: readOnly((t) => (t.type === 'audio' ? 1 : 0)),
    clip_slots: readOnly((t) => t.slots && idsOf(t.slots)), arrangement_clips: readOnly((t) => t.clips && idsOf(t.clips)),
    playing_slot_index: readOnly((t) => t.playing), canonical_parent: readOnly((t) => ['id', t.parent.id]),
  },
  ClipSlot: {
    has_clip: readOnly((slot) => (slot.clip ? 1 : 0)), clip: readOnly((slot) => ['id', slot.clip ? slot.clip.id : 0]),
    canonical_parent: readOnly((slot) => ['id', slot.parent.id]),
  },
  Clip: {
    name: plain('name'), color: palette, gain: audioOnly((c) => c.gain, (c, v) => { c.gain = v; return ''; }),
    pitch_coarse: audioOnly((c) => c.pitch_coarse, (c, v) => { c.pitch_coarse = v; return ''; }),
    pitch_fine: audioOnly((c) => c.pitch_fine, (c, v) => { c.pitch_fine = v; return ''; }),
    warp_mode: audioOnly((c) => c.warp_mode, (c, v) => { c.warp_mode = v; return ''; }),
    signature_numerator: plain('signature_numerator'), signature_denominator: plain('signature_denominator'),
    is_audio_clip: readOnly((c) => (c.audio ? 1 : 0)), is_arrangement_clip: readOnly((c) => (c.arrangement ? 1 : 0)),
    is_recording: readOnly((c) => c.recording), file_path: audioOnly((c) => c.path, null),
    sample_length: audioOnly((c) => Math.round(c.seconds * c.rate), null), sample_rate: audioOnly((c) => c.rate, null),
    // What is too long for a symbol of Max is cut off.
    warp_markers: audioOnly((c, set) => JSON.stringify({ warp_markers: c.warp.map(([s, b]) =>
      ({ sample_time: s, beat_time: b })) }).slice(0, set.symbolChars), null),
    warping: audioOnly((c) => c.warping, (c, value, name, set) => {
      set.clock.after(30, () => {
        c.warping = value;
        if (!value) { c.looping = 0; c.markers = [0, c.seconds]; }
      });
      return '';
    }),
    looping: [(c) => c.looping, (c, value) => {
      if (value && c.audio && !c.warping) return 'looping: an unwarped clip cannot loop';
      c.looping = value ? 1 : 0;
      return '';
    }],
    loop_start: range0(true, 0), loop_end: range0(true, 1), start_marker: range0(false, 0), end_marker: range0(false, 1),
    start_time: readOnly((c) => c.start_time), end_time: readOnly((c) => c.end_time),
    canonical_parent: readOnly((c) => ['id', c.parent.id]),
  },
};
const PARENT_ONLY = { canonical_parent: readOnly((o) => ['id', o.parent.id]) };

const FUNCTIONS = {
  Song: {
    create_midi_track: (o, set, index) => set.createTrack('midi', index),
    create_audio_track: (o, set, index) => set.createTrack('audio', index),
    delete_track: (o, set, index) => set.deleteTrack(index),
  },
  Application: {
    get_major_version: (o, set) => Number(set.version.split('.')[0]),
    get_minor_version: (o, set) => Number(set.version.split('.')[1]),
    get_bugfix_version: (o, set) => Number(set.version.split('.')[2]),
  },
  Track: {
    create_midi_clip: { needs: 'midiClip', run: (o, set, start, length) => set.createMidiClip(o, start, length) },
    duplicate_clip_to_arrangement: (o, set, clip, start) => set.duplicateToArrangement(o, Number(String(clip).replace('id ', '')), start),
  },
  ClipSlot: {
    create_clip: (o, set, length) => set.createClip(o, length),
    create_audio_clip: { needs: 'slotAudio', run: (o, set, path) => set.createAudioClip(o, path) },
    delete_clip: (o, set) => set.change(() => { o.clip = null; }),
  },
  Clip: {
    add_new_notes: (o, set, dictionary) => set.addNotes(o, dictionary),
    get_notes_extended: { needs: 'noteReading', run: (o, set, ...area) => set.notesIn(o, ...area) },
    add_warp_marker: { needs: 'warpEdits', run: (o, set, marker) => set.addWarpMarker(o, marker) },
    remove_warp_marker: { needs: 'warpRemoving', run: (o, set, beat) => set.removeWarpMarker(o, beat) },
    move_warp_marker: { needs: 'warpEdits', run: (o, set, ...where) => set.moveWarpMarker(o, ...where) },
  },
};
// In the program, but in no list of what it can do.
const UNLISTED = {
  begin_undo_step: (o, set) => set.beginStep(),
  end_undo_step: (o, set) => set.endStep(),
};

// The class LiveAPI for a Set and a device in it. `isReady()`: whether live.thisdevice has said so.
function liveApiFor(set, device, isReady) {
  const resolve = (path) => {
    const words = path.split(' ');
    if (words[0] === 'id') return set.objects.get(Number(words[1]));
    if (words[0] === 'live_app') return set.app;
    if (words[0] === 'this_device') return device;
    if (path === 'live_set') return set.root;
    if (path === 'live_set view') return set.view;
    const track = words[1] === 'tracks' ? set.tracks[Number(words[2])] : undefined;
    if (words.length === 3) return track;
    const slot = track && words[3] === 'clip_slots' ? track.slots[Number(words[4])] : undefined;
    if (words.length === 5) return slot || (track && track.clips[Number(words[4])]);
    return slot && slot.clip;
  };
  const pathOf = (object) => {
    if (object.kind === 'Track') return `live_set tracks ${set.tracks.indexOf(object)}`;
    if (object.kind === 'ClipSlot') return `${pathOf(object.parent)} clip_slots ${object.parent.slots.indexOf(object)}`;
    if (object.kind !== 'Clip') return 'live_set';
    if (object.parent.kind === 'ClipSlot') return `${pathOf(object.parent)} clip`;
    if (object.parent.kind === 'TakeLane') return `${pathOf(object.parent.parent)} take_lanes 0 arrangement_clips 0`;
    return `${pathOf(object.parent)} arrangement_clips ${object.parent.clips.indexOf(object)}`;
  };
  const atoms = (value) => {
    if (Array.isArray(value)) return value;
    if (set.quotes && typeof value === 'string') return [JSON.stringify(value)];
    return typeof value === 'string' && value.includes(' ') && !value.startsWith('{') ? value.split(' ') : [value];
  };

  return class LiveAPI {
    #object;
    #generation = set.generation;

    constructor(path) {
      if (!isReady()) set.print('LiveAPI: made before the API was ready: dead for ever');
      else this.#object = resolve(path);
    }

    #held(what) {
      const object = this.#object;
      const isStale = object && object.kind === 'Clip' && object.arrangement && this.#generation !== set.generation;
      if (set.alive(object) && !isStale) return object;
      set.print(`${what}: no valid object set`);
      return null;
    }

    get id() { return set.alive(this.#object) ? String(this.#object.id) : '0'; }
    get type() { return set.alive(this.#object) ? this.#object.kind : ''; }
    get unquotedpath() { return set.alive(this.#object) ? pathOf(this.#object) : ''; }
    get path() { return `"${this.unquotedpath}"`; }

    get info() {
      if (!set.alive(this.#object)) return 'No object';
      const { id, kind } = this.#object;
      const able = Object.entries(FUNCTIONS[kind] || {}).filter(([, f]) => !f.needs || set.can.has(f.needs));
      const lines = Object.keys(PROPERTIES[kind] || {}).map((name) => `property ${name} int`);
      return [`id ${id}`, `type ${kind}`, ...lines, ...able.map(([name]) => `function ${name}`), 'done'].join('\n');
    }

    get(name) {
      if (set.faults.throwIn === name) throw new Error('something that nobody thought of');
      const object = this.#held('get');
      const row = object && (PROPERTIES[object.kind] || PARENT_ONLY)[name];
      const value = row && row[0](object, set);
      if (object && value === undefined) set.print(`get: no property called ${name}`);
      return value === undefined || value === null ? null : atoms(value);
    }

    set(name, value) {
      const object = this.#held('set');
      if (!object) return;
      const row = (PROPERTIES[object.kind] || PARENT_ONLY)[name];
      if (!row || !row[1]) return set.print(`set: ${name} can't be set`);
      const act = () => row[1](object, value, name, set);
      const fault = object.kind === 'Song.View' ? act() : set.change(act, name === 'name');  // what is selected is no part of undo
      if (fault) set.print(`set: ${fault}`);
    }

    call(name, ...values) {
      if (set.faults.throwIn === name) throw new Error('something that nobody thought of');
      const object = this.#held('call');
      if (!object) return undefined;
      if (object.kind === 'Song' && UNLISTED[name] && !set.faults.refuseUndo) return UNLISTED[name](object, set);
      const found = (FUNCTIONS[object.kind] || {})[name];
      if (!found || (found.needs && !set.can.has(found.needs))) return set.print(`call: no function called ${name}`);
      const result = (found.run || found)(object, set, ...values);
      return result === undefined ? undefined : atoms(result);
    }
  };
}

module.exports = { liveApiFor };
