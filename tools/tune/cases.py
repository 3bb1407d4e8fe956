"""Rendered cases in the layout that `tools/measure_notes.py` reads: audio, stems and exact truth."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import mido
import numpy as np
import soundfile

from tools.train.soundfonts import RATE, render_midi
from tools.tune.pianist import Performance, performance
from tools.tune.room import recorded
from tools.tune.sing import sing
from tools.tune.songs import (
    DRUM_CHANNEL,
    DRUM_CLASS,
    Excerpt,
    Played,
    Rng,
    Voice,
    at_the_piano,
    excerpt_of,
    sung,
    truth_of,
    unhurried,
    with_stops,
)
from tools.tune.tones import play

LENGTH_S = 28.0
_PEAK = 0.8
_PIANOS = (0, 0, 1, 2)  # grand pianos above all; a bright and an electric grand
_BASS_PROGRAMS, _DISTORTED = range(32, 40), (29, 30)
_REVERB_S = 0.35


def make_cases(songs: Path, fonts: Sequence[Path], target: Path, counts: Mapping[str, int], seed: int) -> list[Path]:
    """Write cases of each kind, as many as `counts` asks for; what is there already is kept.

    Parameters
    ----------
    counts
        How many of the kinds ``song``, ``piano``, ``vocals`` and ``tones``, each from another song, and of ``pianist``,
        which need none; and of how many songs ``bass`` and ``stops`` are made, where they have a bass that will do.
        Those may be others' songs too: no judge learns from them.
    """
    names = sorted(path for path in songs.glob("*.mid"))
    order = np.random.default_rng(seed).permutation(len(names))
    made: list[Path] = []
    wanted = [kind for kind, count in counts.items() if kind in _OF_A_SONG for _ in range(count)]
    for place in order:
        if len(made) == len(wanted):
            break
        kind = wanted[len(made)]
        case = target / f"{kind}_{names[place].stem}"
        if _make(names[place], kind, fonts[len(made) % len(fonts)], case, np.random.default_rng((seed, int(place)))):
            made.append(case)
    for number in range(counts.get("pianist", 0)):
        case = target / f"pianist_{seed}_{number}"
        rng, font = np.random.default_rng((seed, len(names), number)), fonts[number % len(fonts)]
        played = performance(LENGTH_S, rng)
        about = {"kind": "piano", "source": case.name, "font": font.stem}
        if _kept(case, about, partial(_at_a_piano, played, font, rng=rng)):
            made.append(case)
    for kind in _BASSES:
        for place in order[: counts.get(kind, 0)]:
            case = target / f"{kind}_{names[place].stem}"
            if _make(names[place], kind, fonts[len(made) % len(fonts)], case, np.random.default_rng((seed, place, 1))):
                made.append(case)
    return made


def _make(song: Path, kind: str, font: Path, case: Path, rng: Rng) -> bool:
    excerpt = excerpt_of(song, LENGTH_S, rng)
    if excerpt is None:
        return False
    about = {"kind": kind, "source": song.name, "font": font.stem, "tempo_bpm": excerpt.tempo_bpm}
    return _kept(case, about, partial((_OF_A_SONG | _BASSES)[kind], excerpt, font, rng=rng))


def _kept(case: Path, about: Mapping[str, str | float], make: Callable[..., bool]) -> bool:
    """Whether a case is there, or could be made."""
    if not (case / "case.json").exists():
        shutil.rmtree(case, ignore_errors=True)
        for folder in ("stems", "truth"):
            (case / folder).mkdir(parents=True)
        try:
            done = make(case=case)
        except (subprocess.SubprocessError, OSError) as error:
            print(f"{case.name} is left out: {error}")
            done = False
        if not done:
            shutil.rmtree(case)
            return False
        (case / "case.json").write_text(json.dumps({**about, "name": case.name}, indent=1) + "\n")
    print(f"{case.name:32}{about['font']}", flush=True)
    return True


def _song(excerpt: Excerpt, font: Path, case: Path, rng: Rng) -> bool:
    """A song; every other one that has a lead for a singer is sung."""
    melody = list(excerpt.part("melody"))
    leads = [voice for voice in melody if voice.is_lead]
    stems: dict[str, np.ndarray] = {}
    if leads and len(melody) > 1 and rng.random() < 0.6:
        lead = leads[int(rng.integers(len(leads)))]
        melody = [voice for voice in melody if not _doubles(voice, lead)]
        lead = sung(lead)
        if len(lead.notes) >= 12 and melody:
            notes = one_by_one(lead.notes)
            stems["vocals"] = _sung(notes, rng)
            _write_notes(case / "truth" / "vocals.tsv", notes)
    if not melody:
        return False
    stems |= {
        "bass": _rendered(excerpt.part("bass"), font),
        "melody": _rendered(melody, font),
        "drums": _rendered(excerpt.part("drums"), font),
    }
    if min(float(np.abs(stem).max()) for stem in stems.values()) < 1e-3:
        return False
    if "vocals" in stems:
        stems["vocals"] *= 1.4 * _level(stems["melody"]) / _level(stems["vocals"])
    _write_audio(case, stems)
    _write_notes(case / "truth" / "bass.tsv", truth_of(excerpt.part("bass")))
    _write_notes(case / "truth" / "melody.tsv", truth_of(melody))
    hits = sorted(
        (note.onset_s, DRUM_CLASS[note.pitch])
        for voice in excerpt.part("drums")
        for note in voice.notes
        if note.pitch in DRUM_CLASS
    )
    (case / "truth" / "drums.tsv").write_text("".join(f"{at:.4f}\t{name}\n" for at, name in hits))
    beats = np.arange(0.0, LENGTH_S, 60.0 / excerpt.tempo_bpm)
    (case / "truth" / "beats.txt").write_text("".join(f"{beat:.4f}\n" for beat in beats))
    return True


def _piano(excerpt: Excerpt, font: Path, case: Path, rng: Rng) -> bool:
    """The same song at the piano, every other time with a pedal that is changed at the bar."""
    notes = at_the_piano(excerpt, rng)
    if len(notes) < 60:
        return False
    bar_s = 240.0 / excerpt.tempo_bpm
    bars = np.arange(0.0, LENGTH_S, bar_s) if rng.random() < 0.5 else ()
    return _at_a_piano(Performance(notes, tuple((at + 0.1, at + bar_s) for at in bars)), font, case, rng)


def _at_a_piano(played: Performance, font: Path, case: Path, rng: Rng) -> bool:
    """The truth is what the hands do: keys let go under a held pedal sound on, but nobody would write them so."""
    sound = _rendered([Voice(0, int(rng.choice(_PIANOS)), {}, played.notes)], font, played.pedal)
    _write_audio(case, {"melody": recorded(sound, RATE, rng)}, stems=False)
    _write_notes(
        case / "truth" / "melody.tsv", (note for note in sorted(played.notes) if note.onset_s < LENGTH_S - 0.2)
    )
    return True


def _vocals(excerpt: Excerpt, font: Path, case: Path, rng: Rng) -> bool:
    """A lead of the song, sung alone."""
    leads = [voice for voice in excerpt.part("melody") if voice.is_lead]
    if not leads:
        return False
    notes = one_by_one(sung(leads[0]).notes)
    if len(notes) < 20:
        return False
    _write_audio(case, {"vocals": _sung(notes, rng)}, stems=False)
    _write_notes(case / "truth" / "vocals.tsv", notes)
    return True


def _tones(excerpt: Excerpt, font: Path, case: Path, rng: Rng) -> bool:
    """The song on made-up instruments, as busy as a piano piece."""
    voices = unhurried(excerpt)
    notes = truth_of(voices)
    if len(notes) < 60:
        return False
    _write_audio(case, {"melody": play(voices, LENGTH_S, RATE, rng)}, stems=False)
    _write_notes(case / "truth" / "melody.tsv", notes)
    return True


def _bass(excerpt: Excerpt, font: Path, case: Path, rng: Rng, *, has_stops: bool = False) -> bool:
    """A bass of the song alone, on any bass; with stops now and then on a distorted guitar."""
    notes = one_by_one(excerpt.part("bass")[0].notes)
    if len(notes) < 24:
        return False
    program = int(rng.choice(_BASS_PROGRAMS))
    if has_stops:
        notes = with_stops(notes, rng)
        program = program if rng.random() < 0.75 else int(rng.choice(_DISTORTED))
    sound = _rendered([Voice(0, program, {}, tuple(notes))], font)
    if np.abs(sound).max() < 1e-3:
        return False
    _write_audio(case, {"bass": sound}, stems=False)
    _write_notes(case / "truth" / "bass.tsv", notes)
    return True


_OF_A_SONG = {"song": _song, "piano": _piano, "vocals": _vocals, "tones": _tones}
_BASSES = {"bass": _bass, "stops": partial(_bass, has_stops=True)}


def one_by_one(notes: Iterable[Played]) -> list[Played]:
    """The notes without those that overlap the one before by much, each ending where the next begins at the latest."""
    kept: list[Played] = []
    for note in sorted(notes):
        if kept and note.onset_s - kept[-1].onset_s < 0.09:
            continue
        if kept and kept[-1].offset_s > note.onset_s:
            kept[-1] = Played(kept[-1].onset_s, note.onset_s, kept[-1].pitch, kept[-1].velocity)
        kept.append(note)
    return kept


def _doubles(voice: Voice, lead: Voice) -> bool:
    """Whether a voice plays the lead's notes, in its octave or another."""
    onsets = {(round(note.onset_s, 2), note.pitch % 12) for note in lead.notes}
    same = sum((round(note.onset_s, 2), note.pitch % 12) in onsets for note in voice.notes)
    return same > 0.6 * min(len(voice.notes), len(lead.notes))


def _sung(notes: Sequence[Played], rng: Rng) -> np.ndarray:
    dry = sing(notes, LENGTH_S, RATE, rng)
    tail = np.exp(-np.arange(int(_REVERB_S * RATE)) / (0.12 * RATE)) * rng.standard_normal(int(_REVERB_S * RATE))
    wet = np.convolve(dry, tail)[: len(dry)]
    return np.asarray(dry + rng.uniform(0.02, 0.15) * wet / (np.abs(wet).max() + 1e-9))


def _rendered(voices: Sequence[Voice], font: Path, pedal: Sequence[tuple[float, float]] = ()) -> np.ndarray:
    """Mono samples, `LENGTH_S` long."""
    sound = render_midi(font, _midi(voices, pedal), gain=0.4, effects=True).mean(axis=1)
    size = int(LENGTH_S * RATE)
    return np.asarray(np.pad(sound[:size], (0, max(0, size - len(sound)))))


def _midi(voices: Sequence[Voice], pedal: Sequence[tuple[float, float]]) -> mido.MidiFile:
    events: list[tuple[float, int, mido.Message]] = []
    for voice in voices:
        channel = voice.channel
        events.append((0.0, 0, mido.Message("program_change", channel=channel, program=voice.program)))
        for control, value in voice.controls.items():
            events.append((0.0, 0, mido.Message("control_change", channel=channel, control=control, value=value)))
        for note in voice.notes:
            on = mido.Message("note_on", channel=channel, note=note.pitch, velocity=note.velocity)
            off = mido.Message("note_off", channel=channel, note=note.pitch)
            end_s = max(note.offset_s, note.onset_s + 0.03) if channel == DRUM_CHANNEL else note.offset_s
            events += [(note.onset_s, 2, on), (end_s, 1, off)]
        for down_s, up_s in pedal:
            for at_s, value in ((down_s, 127), (up_s, 0)):
                events.append((at_s, 3, mido.Message("control_change", channel=channel, control=64, value=value)))
    song = mido.MidiFile(ticks_per_beat=1000)
    track = mido.MidiTrack()
    song.tracks.append(track)
    track.append(mido.MetaMessage("set_tempo", tempo=1_000_000))  # a tick is a millisecond
    last = 0
    for at_s, _, message in sorted(events, key=lambda event: (event[0], event[1])):
        tick = round(at_s * 1000)
        track.append(message.copy(time=tick - last))
        last = tick
    return song


def _level(sound: np.ndarray) -> float:
    loud = np.abs(sound)
    return float(np.sqrt(np.mean(np.square(sound[loud > 0.02 * loud.max()]))) + 1e-9)


def _write_audio(case: Path, parts: Mapping[str, np.ndarray], stems: bool = True) -> None:
    mix = np.sum([np.asarray(part) for part in parts.values()], axis=0)
    scale = _PEAK / (np.abs(mix).max() + 1e-9)
    soundfile.write(case / "mix.flac", scale * mix, RATE, subtype="PCM_16")
    for name, part in parts.items() if stems else ():
        soundfile.write(case / "stems" / f"{name}.flac", scale * part, RATE, subtype="PCM_16")


def _write_notes(path: Path, notes: Iterable[Played]) -> None:
    lines = (f"{note.onset_s:.4f}\t{note.offset_s:.4f}\t{note.pitch}\t{note.velocity}\n" for note in notes)
    path.write_text("".join(lines))
