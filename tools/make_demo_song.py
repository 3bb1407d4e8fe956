"""Makes the bundled song: `bridge/data/demo/song.mid`, composed below, and `song.flac`, rendered from it.

    python tools/make_demo_song.py            writes both
    python tools/make_demo_song.py --midi     writes the MIDI file only

Rendering needs the program fluidsynth and the soundfont FluidR3_GM.sf2 (Frank Wen, MIT licence; on Debian the packages
fluidsynth and fluid-soundfont-gm). Everything is deterministic: the humanising is seeded.

The song is 16 bars at 112 BPM in A minor: an eight-bar verse and an eight-bar chorus. Tracks are named after the parts
of a result, so that the MIDI file is the truth that a conversion is compared with.
"""

from __future__ import annotations

import argparse
import math
import random
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import mido
import numpy as np
import soundfile
import soxr

FOLDER = Path(__file__).resolve().parent.parent / "bridge" / "data" / "demo"
SOUNDFONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
SAMPLE_RATE = 44100
BPM = 112
TICKS_PER_BEAT = 480
BEATS_PER_BAR = 4
BARS = 16
#: Room for the last chord and cymbal to die away.
TAIL_S = 1.2
#: Players are that loose, in ticks (1 tick is 1.1 ms): below what a listener notices, above what a grid would give.
LOOSE_TICKS = 3
PEAK = 0.7
#: How the lead line is sung: vibrato as singers have it (5 to 6 Hz, up to half a semitone either way), and a scoop into
#: each note.
VIBRATO_HZ, VIBRATO_SEMITONES, VIBRATO_FROM_S = 5.5, 0.35, 0.12
SCOOP_SEMITONES, SCOOP_S = 0.5, 0.06
BEND_STEP_TICKS = 8
#: The song comes with every install, so its FLAC should be small: it has the bandwidth of a good MP3, and so many bits.
#: Rounding to 13 bits is 75 dB below the peak.
BANDWIDTH_HZ = 16000
BITS = 13


class Event(NamedTuple):
    """A note: beats from the start of the song, beats long, MIDI key, velocity."""

    beat: float
    beats: float
    key: int
    velocity: int


class Track(NamedTuple):
    """A part: its name, General MIDI channel and program (from 0), volume and panorama (controllers 7 and 10)."""

    name: str
    channel: int
    program: int
    volume: int
    pan: int
    events: list[Event]


# ---- the composition -------------------------------------------------------------------------------------------------

#: One chord a bar, or two with half a bar each.
CHORDS = (
    *("Am", "F", "C", "G", "Am", "F", "Dm", "E7"),  # verse
    *("F", "G", "Am", "Em", "F", "G", "Dm/E7", "Am"),  # chorus
)
VOICINGS = {
    "Am": (57, 60, 64, 67),
    "F": (57, 60, 65),
    "C": (55, 60, 64),
    "G": (55, 59, 62),
    "Dm": (57, 62, 65),
    "E7": (56, 59, 62, 64),
    "Em": (55, 59, 64),
}
ROOTS = {"Am": 33, "F": 29, "C": 36, "G": 31, "Dm": 38, "E7": 28, "Em": 28}

#: The lead line, a bar a line: note and length in beats; r is a rest.
LEAD = """
r:.5 E4:.5 A4:.5 B4:.5 C5:1 B4:.5 A4:.5
C5:1.5 A4:.5 F4:1 r:1
r:.5 G4:.5 C5:.5 D5:.5 E5:1 D5:.5 C5:.5
D5:1.5 B4:.5 G4:1 r:1
r:.5 E4:.5 A4:.5 B4:.5 C5:.5 D5:.5 C5:.5 A4:.5
C5:1 A4:.5 G4:.5 F4:1 r:.5 F4:.5
A4:.5 D5:.5 F5:1 E5:.5 D5:.5 C5:1
B4:1 G#4:.5 B4:.5 E5:1.5 r:.5
A4:1 C5:.5 F5:1 E5:.5 D5:.5 C5:.5
D5:1 B4:.5 D5:.5 G5:1 r:1
E5:1 C5:.5 E5:1 D5:.5 C5:.5 B4:.5
B4:1.5 G4:.5 B4:1 r:1
A4:1 C5:.5 F5:1 E5:.5 D5:.5 C5:.5
D5:1 B4:.5 D5:.5 G5:1 F5:.5 E5:.5
F5:.5 E5:.5 D5:.5 A4:.5 E5:1 B4:.5 G#4:.5
A4:3 r:1
"""

#: Drum patterns: a row for each key, a letter for each sixteenth of a bar; capitals are accents.
KEYS = {"kick": 36, "snare": 38, "closed": 42, "open": 46, "crash": 49, "ride": 51, "high": 48, "mid": 45, "low": 43}
DRUMS = {
    "verse": {"kick": "X.....x.X.......", "snare": "....X.......X...", "closed": "X.x.X.x.X.x.X.x."},
    "lifted": {
        "kick": "X.....x.X.x.....",
        "snare": "....X.......X...",
        "closed": "X.x.X.x.X.x.X...",
        "open": "..............X.",
    },
    "small fill": {
        "kick": "X.....x.X.......",
        "snare": "....X.......x...",
        "closed": "X.x.X.x.X.......",
        "high": "..........xX....",
        "mid": ".............x..",
        "low": "..............X.",
    },
    "chorus": {"kick": "X.x...x.X.x.....", "snare": "....X.......X..x", "ride": "X.x.X.x.X.x.X.x."},
    "big fill": {
        "kick": "X.......X.......",
        "snare": "....X...xX......",
        "ride": "X.x.X...........",
        "high": "..........Xx....",
        "mid": "............Xx..",
        "low": "..............Xx",
    },
    "end": {"kick": "X...............", "crash": "X..............."},
}
DRUM_BARS = (
    *("verse", "lifted", "verse", "small fill", "verse", "lifted", "verse", "big fill"),
    *("chorus", "chorus", "chorus", "small fill", "chorus", "chorus", "big fill", "end"),
)
CRASHES = (0, 8, 12)


def lead() -> Iterator[Event]:
    """The vocals' part."""
    beat = 0.0
    for word in LEAD.split():
        name, length = word.split(":")
        if name != "r":
            yield Event(beat, float(length) * 0.9, key_of(name), 104 if beat % 2 == 0 else 94)
        beat += float(length)


def chords() -> Iterator[tuple[float, float, str]]:
    """Each chord with its first beat and its length in beats."""
    for bar, names in enumerate(CHORDS):
        halves = names.split("/")
        for index, name in enumerate(halves):
            beats = BEATS_PER_BAR / len(halves)
            yield bar * BEATS_PER_BAR + index * beats, beats, name


def keys() -> Iterator[Event]:
    """The melody part: stabs in the verse, broken chords over held ones in the chorus, one last chord."""
    for start, beats, name in chords():
        voicing = VOICINGS[name]
        if start >= (BARS - 1) * BEATS_PER_BAR:
            yield from (Event(start, 3.5, key, 84) for key in voicing)
        elif start < 8 * BEATS_PER_BAR:
            for beat, length, velocity in ((0.0, 1.25, 84), (1.5, 1.0, 74), (3.0, 0.75, 78)):
                yield from (Event(start + beat, length, key, velocity) for key in voicing)
        else:
            yield from (Event(start, beats * 0.95, key, 72) for key in voicing[:2])
            for eighth in range(int(beats * 2)):
                octave_up = voicing[(eighth * 2) % len(voicing)] + 12
                yield Event(start + eighth / 2, 0.45, octave_up, 80 if eighth % 2 == 0 else 70)


def bass() -> Iterator[Event]:
    """Roots with a push into the third beat in the verse, driving eighths with octaves in the chorus."""
    for start, beats, name in chords():
        root = ROOTS[name]
        if start >= (BARS - 1) * BEATS_PER_BAR:
            yield Event(start, 3.5, root, 100)
        elif start < 8 * BEATS_PER_BAR:
            for beat, length, step in ((0.0, 1.4, 0), (1.5, 0.9, 0), (2.5, 0.45, 7), (3.0, 0.9, 0)):
                yield Event(start + beat, length, root + step, 100 if beat == 0.0 else 90)
        else:
            for eighth in range(int(beats * 2)):
                octave = 12 if eighth % 4 == 3 else 0
                yield Event(start + eighth / 2, 0.42, root + octave, 100 if eighth % 2 == 0 else 86)


def drums() -> Iterator[Event]:
    """The kit."""
    for bar, pattern in enumerate(DRUM_BARS):
        rows = dict(DRUMS[pattern])
        if bar in CRASHES:
            rows["crash"] = "X" + "." * 15
        for name, row in rows.items():
            for sixteenth, letter in enumerate(row):
                if letter != ".":
                    yield Event(bar * BEATS_PER_BAR + sixteenth / 4, 0.2, KEYS[name], 110 if letter == "X" else 82)


def song() -> list[Track]:
    """The four parts."""
    return [
        Track("bass", 0, 33, 110, 64, list(bass())),  # electric bass (finger)
        Track("melody", 1, 4, 92, 46, list(keys())),  # electric piano 1
        Track("vocals", 2, 53, 118, 64, list(lead())),  # voice oohs
        Track("drums", 9, 0, 118, 64, list(drums())),  # standard kit
    ]


def key_of(name: str) -> int:
    """MIDI key of a note such as G#4; C4 is 60."""
    letter, accidentals, octave = name[0], name[1:-1], int(name[-1])
    return 12 * (octave + 1) + "C D EF G A B".index(letter) + accidentals.count("#") - accidentals.count("b")


# ---- the files -------------------------------------------------------------------------------------------------------


def midi_file() -> mido.MidiFile:
    """The song, played by people: a little loose in time and loudness, the kick drum less than the rest."""
    dice = random.Random(112)  # noqa: S311 (no secret)
    conductor = mido.MidiTrack(
        [
            mido.MetaMessage("track_name", name="Stembridge demo"),
            mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(BPM)),
            mido.MetaMessage("time_signature", numerator=BEATS_PER_BAR, denominator=4),
            mido.MetaMessage("key_signature", key="Am"),
            mido.MetaMessage("end_of_track", time=BARS * BEATS_PER_BAR * TICKS_PER_BEAT),
        ]
    )
    return mido.MidiFile(
        type=1, ticks_per_beat=TICKS_PER_BEAT, tracks=[conductor, *(midi_track(track, dice) for track in song())]
    )


def midi_track(track: Track, dice: random.Random) -> mido.MidiTrack:
    """One part."""
    control = {"channel": track.channel, "time": 0}
    setup = [
        mido.MetaMessage("track_name", name=track.name),
        mido.Message("program_change", program=track.program, **control),
        mido.Message("control_change", control=7, value=track.volume, **control),
        mido.Message("control_change", control=10, value=track.pan, **control),
    ]
    notes = list(played(track, dice))
    timed = sorted(notes, key=lambda item: (item[0], item[1].type != "note_off", item[1].note))
    if track.name == "vocals":
        timed = sorted([*timed, *sung(notes, track.channel)], key=lambda item: item[0])
    messages, reached = [], 0
    for tick, message in timed:
        messages.append(message.copy(time=tick - reached))
        reached = tick
    end = mido.MetaMessage("end_of_track", time=max(0, BARS * BEATS_PER_BAR * TICKS_PER_BEAT - reached))
    return mido.MidiTrack([*setup, *messages, end])


def played(track: Track, dice: random.Random) -> Iterable[tuple[int, mido.Message]]:
    """A part's messages at their ticks."""
    for event in sorted(track.events):
        loose = 1 if event.key == KEYS["kick"] else LOOSE_TICKS
        start = max(0, round(event.beat * TICKS_PER_BEAT) + dice.randint(-loose, loose))
        end = start + round(event.beats * TICKS_PER_BEAT)
        velocity = min(127, event.velocity + dice.randint(-6, 6))
        yield start, mido.Message("note_on", channel=track.channel, note=event.key, velocity=velocity)
        yield end, mido.Message("note_off", channel=track.channel, note=event.key)


def sung(notes: Iterable[tuple[int, mido.Message]], channel: int) -> Iterator[tuple[int, mido.Message]]:
    """The pitch of a voice: it comes up to each note from below, and trembles on the longer ones."""
    begun = 0
    for tick, message in notes:
        if message.type == "note_on":
            begun = tick
            continue
        for now in range(begun, tick, BEND_STEP_TICKS):
            after_s = (now - begun) * 60 / BPM / TICKS_PER_BEAT
            scoop = -SCOOP_SEMITONES * max(0.0, 1 - after_s / SCOOP_S)
            depth = VIBRATO_SEMITONES * min(1.0, max(0.0, (after_s - VIBRATO_FROM_S) / VIBRATO_FROM_S))
            semitones = scoop + depth * math.sin(2 * math.pi * VIBRATO_HZ * after_s)
            yield now, mido.Message("pitchwheel", channel=channel, pitch=round(semitones / 2 * 8192))


def render(midi: Path, flac: Path) -> None:
    """Play the MIDI file with FluidR3_GM, dry, and store it as FLAC."""
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "song.wav"
        options = f"-ni -q -g 0.6 -R 0 -C 0 -r {SAMPLE_RATE} -O float -F".split()
        subprocess.run(["fluidsynth", *options, str(wav), str(SOUNDFONT), str(midi)], check=True)
        samples, _ = soundfile.read(wav, dtype="float32", always_2d=True)
    samples = samples[: round((BARS * BEATS_PER_BAR * 60 / BPM + TAIL_S) * SAMPLE_RATE)]
    narrow = soxr.resample(samples, SAMPLE_RATE, 2 * BANDWIDTH_HZ, "VHQ")
    samples = soxr.resample(narrow, 2 * BANDWIDTH_HZ, SAMPLE_RATE, "VHQ")[: len(samples)]
    samples *= PEAK / np.abs(samples).max()
    fade = SAMPLE_RATE // 2
    samples[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)[:, np.newaxis]
    steps = 1 << (BITS - 1)
    soundfile.write(flac, np.rint(samples * steps) / steps, SAMPLE_RATE, subtype="PCM_16", compression_level=1.0)


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description="Make the bundled song.")
    parser.add_argument("--midi", action="store_true", help="write the MIDI file only")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder to write to")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    midi_file().save(arguments.out / "song.mid")
    if not arguments.midi:
        render(arguments.out / "song.mid", arguments.out / "song.flac")


if __name__ == "__main__":
    main()
