"""One training excerpt: a kit is put together, a pattern is played on it, and the world is added.

Everything follows from the seed. An excerpt's truth is exact: when each stroke begins, its kind, its velocity.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import lfilter

from bridge.audio.file import AudioFile
from bridge.drums.kit_features import SAMPLE_RATE, Array
from bridge.model import COMPONENT_OF_KEY, COMPONENTS, GM_DRUM
from bridge.progress import Progress
from bridge.separation.builtin import BuiltinSeparator
from tools.train import effects, synth
from tools.train.backing import stretch, voice
from tools.train.libraries import DISTRACTOR, KINDS, Catalogue, Drum, load_sample
from tools.train.patterns import NO_GROOVE, Groove, Hit, once, percussion, procedural, varied

Rng = np.random.Generator
LENGTH_S = 10.0
#: Levels in dB relative to a natural kit, between which each kind is drawn: cymbals vary most from record to record.
LEVELS_DB = {
    "kick": (-5, 5), "snare": (-5, 5), "closed_hat": (-14, 3), "open_hat": (-12, 3), "crash": (-14, 5),
    "ride": (-14, 5), "tom_high": (-8, 4), "tom_mid": (-8, 4), "tom_low": (-8, 4), DISTRACTOR: (-24, -6),
}  # fmt: skip
#: How loud a full stroke of each kind is in a natural kit (peak, full scale = 1), by the acoustic kits at hand.
PEAKS = {
    "kick": 0.8, "snare": 0.8, "closed_hat": 0.25, "open_hat": 0.3, "crash": 0.4, "ride": 0.25,
    "tom_high": 0.55, "tom_mid": 0.55, "tom_low": 0.6, DISTRACTOR: 0.4,
}  # fmt: skip
#: How often a drum is two drums struck as one.
MERGED_CHANCE = 0.3
#: Spread of the tuning of a drum about its kit's, in semitones, and the most: two cymbals differ more than two kicks.
TUNING_SEMITONES = {"closed_hat": (3.0, 9.0), "open_hat": (3.0, 9.0), "crash": (3.5, 9.0), "ride": (3.5, 9.0)}
_USUAL_TUNING = (2.0, 6.0)
#: Layers of a drum that one excerpt uses.
MOST_LAYERS = 7
#: What the engine may be given: drums alone, with other stems' leavings, in a mix, and as the builtin separator takes
#: them out of one.
SURROUNDINGS = ("clean", "bleeding", "mixed", "separated")


@dataclass(frozen=True, slots=True)
class World:
    """What excerpts are made of.

    Attributes
    ----------
    catalogue
        Drums by kind.
    grooves
        Human performances.
    backings
        Files to play along.
    songs
        Drums of songs.
    synthetic
        Share of drums that are made by rule (`tools.train.synth`), 0 to 1.
    surroundings
        How often each of `SURROUNDINGS` is drawn; sums to 1.
    performed
        How often a human performance, or the drums of a song, is played; else a pattern made by rule.
    """

    catalogue: Catalogue
    grooves: Groove
    backings: tuple[Path, ...]
    songs: Groove = NO_GROOVE
    synthetic: float = 0.35
    surroundings: tuple[float, float, float, float] = (0.44, 0.24, 0.26, 0.06)
    performed: tuple[float, float] = (0.5, 0.15)


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Rendered audio with the truth of its drums.

    Attributes
    ----------
    samples
        Mono, at `SAMPLE_RATE`.
    hits
        In order of time.
    components
        What each of `COMPONENTS` adds to the samples, (components, samples); None where it wasn't asked for.
    """

    samples: Array
    hits: tuple[Hit, ...]
    components: Array | None = None


@dataclass(frozen=True, slots=True)
class Instrument:
    """One drum of an assembled kit: layers soft to loud, each with peak 1, and its level at full velocity."""

    layers: tuple[Array, ...]
    level: float


def excerpt(world: World, seed: int, length_s: float = LENGTH_S) -> Excerpt:
    """The excerpt of this seed."""
    tracks, hits = _rendered(world, seed, length_s, dict.fromkeys((*KINDS, DISTRACTOR), 0))
    return Excerpt(tracks[0], hits)


def excerpt_with_components(world: World, seed: int, length_s: float = LENGTH_S) -> Excerpt:
    """The same with the truth of its components; never separated, since who knows what that does to each of them."""
    rows = {kind: COMPONENTS.index(COMPONENT_OF_KEY[GM_DRUM[kind]]) for kind in KINDS}
    *common, separated_share = world.surroundings
    surroundings = (common[0] + separated_share, common[1], common[2], 0.0)
    tracks, hits = _rendered(
        replace(world, surroundings=surroundings), seed, length_s, {**rows, DISTRACTOR: len(COMPONENTS)}
    )
    return Excerpt(tracks.sum(axis=0), hits, tracks[:-1])


def band_excerpt(world: World, seed: int, length_s: float = LENGTH_S) -> Excerpt:
    """What plays along, without any drums; of no kind where the world has no backings."""
    rng = np.random.default_rng(seed)
    if not world.backings:
        return Excerpt(np.zeros(int(length_s * SAMPLE_RATE), dtype=np.float32), ())
    return Excerpt(effects.equalised(_band(world, length_s, rng)[None], rng, 9.0)[0], ())


def _rendered(world: World, seed: int, length_s: float, rows: Mapping[str, int]) -> tuple[Array, tuple[Hit, ...]]:
    """Tracks, each kind in the row that `rows` gives it and all else in the last, and the kit's hits."""
    rng = np.random.default_rng(seed)
    hits = _played(world, length_s, rng)
    kit = assembled(world, {hit.kind for hit in hits}, rng)
    tracks = effects.mastered(mixed_down(kit, hits, length_s, rows, rng), rng)
    return _surrounded(tracks, world, rng), tuple(hit for hit in hits if hit.kind != DISTRACTOR)


def _played(world: World, length_s: float, rng: Rng) -> list[Hit]:
    draw = rng.random()
    human, song = world.performed
    if draw < human and world.grooves.files:
        hits = varied(world.grooves.excerpt(length_s, rng), rng)
    elif draw < human + song and world.songs.files:
        hits = world.songs.excerpt(length_s, rng)
        hits = varied(hits, rng) if rng.random() < 0.5 else hits
    else:
        hits = procedural(length_s, rng)
    if rng.random() < 0.12:
        hits = sorted([*hits, *percussion(length_s, rng)])
    there = [hit for hit in once(hits) if hit.at_s < length_s - 0.02]
    return [hit for hit in there if world.synthetic > 0 or hit.kind in world.catalogue]


def assembled(world: World, kinds: set[str], rng: Rng) -> dict[str, Instrument]:
    """A kit with an instrument for each of `kinds`: one library's, or of many; each shaped at random."""
    kits = {drum.library for kind in ("kick", "ride") for drum in world.catalogue.get(kind, [])}
    whole = _one_library(kits, rng) if kits and rng.random() < 0.5 else None
    synthetic = rng.random() < world.synthetic / 2  # a kit made by rule from end to end
    tuning = rng.normal(0, 1.5)
    hardness = rng.uniform(1.0, 2.2)
    kit: dict[str, Instrument] = {}
    for kind in sorted(kinds):
        layers = _layers(world, kind, whole, synthetic, rng)
        if world.synthetic > 0 and rng.random() < MERGED_CHANCE:
            layers = merged(layers, _layers(world, kind, None, synthetic=False, rng=rng), rng)
        shape = _shaping(kind, tuning, rng)
        peak = max(float(np.abs(layer).max(initial=1e-6)) for layer in layers)
        level = PEAKS[kind] * effects.decibels(rng.uniform(*LEVELS_DB[kind]))
        kit[kind] = Instrument(tuple(shape(layer / peak) for layer in layers), level)
    kit["_hardness"] = Instrument((), hardness)
    return kit


def _layers(world: World, kind: str, whole: str | None, synthetic: bool, rng: Rng) -> list[Array]:
    drums = world.catalogue.get(kind, [])
    own = [drum for drum in drums if drum.library == whole]
    if not synthetic and own:
        return _samples_of(own[int(rng.integers(len(own)))], rng)
    if not drums or synthetic or rng.random() < world.synthetic:
        return synth.layers(kind, rng)
    library = _one_library({drum.library for drum in drums}, rng)
    of_library = [drum for drum in drums if drum.library == library]
    return _samples_of(of_library[int(rng.integers(len(of_library)))], rng)


def merged(one: list[Array], other: list[Array], rng: Rng) -> list[Array]:
    """Layers of a drum that nobody owns: two of a kind, the other quieter and tuned apart, struck as one.

    Producers layer drums so; and free recordings of cymbals are too few to learn from each by itself.
    """
    gain = effects.decibels(rng.uniform(-12, 0))
    ratio = 2 ** (rng.uniform(-4, 4) / 12)
    layers = []
    for place, first in enumerate(one):
        second = other[round(place / max(1, len(one) - 1) * (len(other) - 1))]
        places = np.arange(0, len(second) - 1, ratio)
        tuned = np.interp(places, np.arange(len(second)), second)
        size = max(len(first), len(tuned))
        peaks = [float(np.abs(sound).max(initial=1e-6)) for sound in (first, tuned)]
        sound = (
            np.pad(first / peaks[0], (0, size - len(first))) + np.pad(tuned / peaks[1], (0, size - len(tuned))) * gain
        )
        layers.append(np.asarray(sound * peaks[0], dtype=np.float32))
    return layers


def _one_library(libraries: set[str], rng: Rng) -> str:
    """One library, by family first: one with many kits is no likelier than one with a single, well recorded kit."""
    families = sorted({_family(library) for library in libraries})
    family = families[int(rng.integers(len(families)))]
    return str(rng.choice(sorted(library for library in libraries if _family(library) == family)))


def _family(library: str) -> str:
    """Soundfonts' kits count as one: they share most samples, even between soundfonts."""
    first = library.split("/")[0]
    return "soundfont" if first in ("FluidR3_GM", "MuseScore_General_Lite") else first


def _samples_of(drum: Drum, rng: Rng) -> list[Array]:
    """Some layers of a drum, soft to loud: more than a few are not told apart in ten seconds."""
    count = len(drum.layers)
    chosen = np.sort(rng.choice(count, min(count, MOST_LAYERS), replace=False))
    return [load_sample(drum.layers[place]) for place in chosen]


def _shaping(kind: str, tuning: float, rng: Rng) -> Callable[[Array], Array]:
    """What is done to every layer of an instrument: tuning, decay, an equaliser."""
    spread, most = TUNING_SEMITONES.get(kind, _USUAL_TUNING)
    semitones = float(np.clip(tuning + rng.normal(0, spread), -most, most))
    ratio = 2 ** (semitones / 12)
    decay_s = float(np.exp(rng.uniform(np.log(0.06), np.log(1.5)))) if rng.random() < 0.4 else None
    if kind == "closed_hat" and decay_s is not None:
        decay_s = min(decay_s, 0.1)
    elif kind in ("open_hat", "ride", "crash") and decay_s is not None:
        decay_s = max(decay_s, 0.25)
    curve_seed = int(rng.integers(1 << 31)) if rng.random() < 0.6 else None
    fade = 0.005

    def shape(layer: Array) -> Array:
        places = np.arange(0, len(layer) - 1, ratio)
        tuned = np.interp(places, np.arange(len(layer)), layer)
        t = np.arange(len(tuned)) / SAMPLE_RATE
        if decay_s is not None:
            tuned = tuned * np.exp(-t / decay_s)
        if curve_seed is not None:
            tuned = effects.equalised(tuned, np.random.default_rng(curve_seed), 7.0)
        ending = np.minimum(1, (len(tuned) - np.arange(len(tuned))) / (fade * SAMPLE_RATE))
        return np.asarray(tuned * ending, dtype=np.float32)

    return shape


def mixed_down(
    kit: dict[str, Instrument], hits: list[Hit], length_s: float, rows: Mapping[str, int], rng: Rng
) -> Array:
    """The hits played on the kit, each kind on the track that `rows` gives it, (tracks, samples)."""
    size = int(length_s * SAMPLE_RATE)
    out = np.zeros((max(rows.values()) + 1, size), dtype=np.float32)
    hardness, choke_s = kit["_hardness"].level, rng.uniform(0.01, 0.08)
    hats = [hit.at_s for hit in hits if hit.kind in ("closed_hat", "open_hat")]
    monophonic = rng.random() < 0.15  # as samplers often are: a stroke ends the one before
    for place, hit in enumerate(hits):
        instrument = kit[hit.kind]
        sound = stroke(instrument, hit.velocity, hardness, rng)
        start = round(hit.at_s * SAMPLE_RATE)
        stop_s = None
        if hit.kind == "open_hat":
            stop_s = next((at for at in hats if at > hit.at_s + 0.02), None)
        elif monophonic:
            stop_s = next(
                (later.at_s for later in hits[place + 1 :] if later.kind == hit.kind and later.at_s > hit.at_s + 0.02),
                None,
            )
        if stop_s is not None:
            sound = _choked(sound, stop_s - hit.at_s, choke_s)
        part = sound[: size - start]
        out[rows[hit.kind], start : start + len(part)] += part
    return out


def stroke(instrument: Instrument, velocity: int, hardness: float, rng: Rng) -> Array:
    """One stroke: the layer for its velocity (or a neighbour, so that no two are alike) at its level."""
    layers, loud = instrument.layers, velocity / 127
    place = int(np.clip(round(loud * (len(layers) - 1) + rng.normal(0, 0.04 * len(layers))), 0, len(layers) - 1))
    layer = layers[place]
    if len(layers) == 1 and loud < 0.6 and rng.random() < 0.5:
        dull = (0.6 - loud) * 0.8
        layer = np.asarray(lfilter([1 - dull], [1, -dull], layer), dtype=np.float32)
    level = instrument.level * loud**hardness * effects.decibels(rng.normal(0, 0.7))
    return np.asarray(layer * (level / max(float(np.abs(layer).max(initial=1e-6)), 1e-4)), dtype=np.float32)


def _choked(sound: Array, after_s: float, fade_s: float) -> Array:
    stop = int((after_s + 5 * fade_s) * SAMPLE_RATE)
    t = np.arange(min(stop, len(sound))) / SAMPLE_RATE
    return np.asarray(sound[: len(t)] * np.exp(-np.maximum(t - after_s, 0) / fade_s), dtype=np.float32)


def _rms(sound: Array) -> float:
    return float(np.sqrt(np.mean(np.square(sound)))) + 1e-6


def _surrounded(tracks: Array, world: World, rng: Rng) -> Array:
    """The drums in one of the world's surroundings; what is added goes to the last track."""
    kind, level = str(rng.choice(SURROUNDINGS, p=world.surroundings)), _rms(tracks.sum(axis=0))
    size, out = tracks.shape[1], tracks.copy()
    out[-1] += rng.standard_normal(size) * (level * effects.decibels(rng.uniform(-80, -45)))
    if kind == "clean" or not world.backings:
        return out
    band = _band(world, size / SAMPLE_RATE, rng)
    quieter = level / _rms(band)
    if kind == "bleeding":
        out[-1] += quieter * effects.decibels(rng.uniform(-34, -14)) * effects.equalised(band, rng, 12.0)
        return out
    out[-1] += quieter * effects.decibels(rng.uniform(-9, 7)) * band
    if rng.random() < 0.3:
        out = effects.compressed(out, rng)
    return separated(out[0])[None] if kind == "separated" else out


def _band(world: World, length_s: float, rng: Rng) -> Array:
    """Other instruments, often with a voice; mono."""
    band = stretch(world.backings[int(rng.integers(len(world.backings)))], length_s, rng)[None]
    band = band / (_rms(band) * 4)
    if rng.random() < 0.3:
        band = effects.saturated(band, rng)
    if rng.random() < 0.4:
        band = effects.in_room(band, rng)
    if rng.random() < 0.55:
        singer = voice(length_s, rng)[None]
        if rng.random() < 0.6:
            singer = effects.in_room(singer, rng)
        band = band + singer / (_rms(singer) * 4) * effects.decibels(rng.uniform(-8, 8))
    return np.asarray(band[0], dtype=np.float32)


def separated(mix: Array) -> Array:
    """What the builtin separator takes for the drums of `mix`."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "mix.wav"
        soundfile.write(path, mix, SAMPLE_RATE, subtype="FLOAT")
        blocks = [block["drums"] for block in BuiltinSeparator().separate(AudioFile.open(path), Progress())]
    return np.asarray(np.concatenate(blocks)[:, 0], dtype=np.float32)
