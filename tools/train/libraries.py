"""Single hits to render with, by sample library, so that a whole library can be held out.

A `Drum` is one instrument of one library with its samples from soft to loud. All of them may go into shipped weights
but the kits in `JUDGING_KITS`, which have licences of which it is unsettled whether a model inherits them (GPL,
CC BY-SA) and are rendered to validate with, never to train.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import soundfile
import soxr

from bridge.drums.kit_features import SAMPLE_RATE, Array
from bridge.model import GM_DRUM

#: The classes, in the order of the network's outputs; then what sounds like drums and must not be taken for any.
KINDS = tuple(GM_DRUM)
DISTRACTOR = "distractor"

#: Kind of a sample in the folders of samples, by its path: the first expression that matches. None is left out.
KIND_OF_PATH: tuple[tuple[str, str | None], ...] = (
    (r"frankensnare/.*(prep|ziggurat)", None),
    (r"muldjordkit/Kdrum", "kick"),
    (r"muldjordkit/SnareRest", None),
    (r"muldjordkit/Snare|frankensnare/", "snare"),
    (r"muldjordkit/HihatClosed", "closed_hat"),
    (r"muldjordkit/HihatOpen", "open_hat"),
    (r"muldjordkit/(Crash|China)", "crash"),
    (r"muldjordkit/Ride", "ride"),
    (r"muldjordkit/Tom1", "tom_high"),
    (r"muldjordkit/Tom[23]", "tom_mid"),
    (r"muldjordkit/Tom4", "tom_low"),
    (r"sonic_pi.*/(bd_|drum_heavy_kick|drum_bass|elec_(soft|hollow)_kick)", "kick"),
    (r"sonic_pi.*/(sn_|drum_snare|elec_.*snare|perc_snap)", "snare"),
    (r"sonic_pi.*/(hat_(gnu|hier|star|psych)|drum_cymbal_open)", "open_hat"),
    (r"sonic_pi.*/(hat_|drum_cymbal_(closed|pedal))", "closed_hat"),
    (r"sonic_pi.*/(drum_cymbal_hard|drum_splash|elec_cymbal)", "crash"),
    (r"sonic_pi.*/(ride_|drum_cymbal_soft)", "ride"),
    (r"sonic_pi.*/drum_tom_hi", "tom_high"),
    (r"sonic_pi.*/drum_tom_mid", "tom_mid"),
    (r"sonic_pi.*/(drum_tom_lo|elec_fuzz_tom)", "tom_low"),
    (r"sonic_pi.*/(drum_cowbell|perc_(bell|till))", DISTRACTOR),
    (r"sonic_pi.*/elec_(tick|blip|bell|ping|pop|triangle|wood|chime|plip|bong|twip)", DISTRACTOR),
    (r"synthesizer.*Kick", "kick"),
    (r"synthesizer.*(Snare|Clap)", "snare"),
    (r"synthesizer.*ClosedHi", "closed_hat"),
    (r"synthesizer.*OpenHi", "open_hat"),
    (r"synthesizer.*samples__Cymbal", "crash"),
    (r"synthesizer.*HighTom", "tom_high"),
    (r"synthesizer.*MidTom", "tom_mid"),
    (r"synthesizer.*LowTom", "tom_low"),
    (r"synthesizer.*(Claves|Shaker)", DISTRACTOR),
)  # fmt: skip
#: Samples of these are one drum in many velocities; elsewhere each file is a drum.
LAYERED = r"(muldjordkit/\w+|frankensnare/\w+)/|(sonic_pi.*/drum_\w+)_(?:hard|soft)"
FOLDERS = ("muldjordkit", "frankensnare", "sonic_pi_samples", "synthesizer_percussion")

#: General MIDI keys taken from a soundfont's kits.
KINDS_OF_KEYS = {
    "kick": (35, 36),
    "snare": (38, 40, 37, 39),
    "closed_hat": (42, 44),
    "open_hat": (46,),
    "crash": (49, 57, 52, 55),
    "ride": (51, 59, 53),
    "tom_high": (48, 50),
    "tom_mid": (45, 47),
    "tom_low": (41, 43),
    DISTRACTOR: (54, 56, 69, 70, 75, 60, 61, 63, 64, 67, 76),
}

#: Hydrogen's kits: folder, and whether it may be trained on (CC0 and CC BY) or only judges.
TRAINABLE_KITS = ("Audiophob", "rumpf_kit_z01_h2")
JUDGING_KITS = ("BJA_Pacific", "ColomboAcousticDrumkit", "ForzeeStereo", "Millo_MultiLayered3", "The Black Pearl 1.0")
KIND_OF_NAME: tuple[tuple[str, str | None], ...] = (
    (r"cowbell", DISTRACTOR),
    (r"roll|choke|swish|snare dry|hat free|redo|tambourine|agogo|semi-?open|crash/ride|ride-crash|flink", None),
    (r"kick|bass ?drum", "kick"),
    (r"rim ?click|side ?stick", "snare"),
    (r"^stick", None),
    (r"snare|clap", "snare"),
    (r"(hi.?hat|hh|hat).*open|open (hh|hat)|hi hat opened", "open_hat"),
    (r"hi.?hat|hh|hat", "closed_hat"),
    (r"ride|bell|cup", "ride"),
    (r"crash|china|splash", "crash"),
    (r"floor|tom.?low|low tom", "tom_low"),
    (r"tom (mid|2)|middle tom", "tom_mid"),
    (r"tom", "tom_high"),
)

_LONGEST_S = 6.0
_ATTACK_SHARE = 0.02  # of a sample's peak: its onset
_LEAD_SAMPLES = 4


@dataclass(frozen=True, slots=True)
class Drum:
    """One instrument of one library.

    Attributes
    ----------
    library
        What is held out together.
    kind
        One of `KINDS`, or `DISTRACTOR`.
    layers
        Sample files, softest first.
    """

    library: str
    kind: str
    layers: tuple[Path, ...]


Catalogue = dict[str, list[Drum]]


@lru_cache(maxsize=1500)
def load_sample(path: Path) -> Array:
    """Mono samples at `SAMPLE_RATE` from their attack on, of at most 6 s."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = samples.mean(axis=1)
    if rate != SAMPLE_RATE:
        mono = soxr.resample(mono, rate, SAMPLE_RATE)
    level = np.abs(mono)
    begin = int(np.argmax(level > _ATTACK_SHARE * level.max())) if len(level) and level.max() > 0 else 0
    return np.asarray(mono[max(0, begin - _LEAD_SAMPLES) :][: int(_LONGEST_S * SAMPLE_RATE)], dtype=np.float32)


def _matched(text: str, table: tuple[tuple[str, str | None], ...]) -> str | None:
    return next((kind for pattern, kind in table if re.search(pattern, text, re.IGNORECASE)), None)


def _loudness(path: Path) -> float:
    samples = load_sample(path)[: SAMPLE_RATE // 5]
    return float(np.sum(np.square(samples)))


def _drum(library: str, kind: str, paths: list[Path]) -> Drum:
    return Drum(library, kind, tuple(sorted(paths, key=_loudness)))


def folder_drums(root: Path) -> Iterator[Drum]:
    """Drums of the folders of samples under `root`."""
    groups: dict[tuple[str, str, str], list[Path]] = defaultdict(list)
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.flac")):
            name = path.relative_to(root).as_posix()
            kind = _matched(name, KIND_OF_PATH)
            if kind is None:
                continue
            layered = re.match(LAYERED, name)
            instrument = next(filter(None, layered.groups())) if layered else name
            # Of Frankensnare each snare is a library of its own: thirty instruments in thirty rooms' worth of tuning.
            library = instrument if folder == "frankensnare" else folder
            groups[library, kind, instrument].append(path)
    for (library, kind, _), paths in groups.items():
        yield _drum(library, kind, paths)


def hydrogen_drums(kits: Path, names: tuple[str, ...]) -> Iterator[Drum]:
    """Drums of Hydrogen's drumkits of these names under `kits`."""
    for name in names:
        listing = kits / name / "drumkit.xml"
        if not listing.exists():
            continue
        text = re.sub(r'xmlns="[^"]*"', "", listing.read_text("utf-8", errors="replace"))
        for instrument in ElementTree.fromstring(text).iter("instrument"):  # noqa: S314  as above
            kind = _matched(instrument.findtext("name") or "", KIND_OF_NAME)
            files = [layer.findtext("filename") for layer in instrument.iter("layer")] or [
                instrument.findtext("filename")
            ]
            paths = sorted({kits / name / file for file in files if file and (kits / name / file).exists()})
            if kind and paths:
                yield _drum(f"hydrogen/{name}", kind, paths)


def rendered_drums(folder: Path) -> Iterator[Drum]:
    """Drums of soundfonts' kits as `tools.train.soundfonts` lays them down: <font>/<kit>/<key>_<velocity>.flac."""
    for kit in sorted(folder.glob("*/*")):
        for kind, keys in KINDS_OF_KEYS.items():
            for key in keys:
                paths = [path for path in sorted(kit.glob(f"{key}_*.flac")) if _loudness(path) > 0]
                if paths:
                    yield _drum(f"{kit.parent.name}/{kit.name}", kind, paths)


def by_kind(drums: Iterator[Drum] | list[Drum], keep: Callable[[str], bool] = lambda library: True) -> Catalogue:
    """Drums by kind, of the libraries that `keep` wants."""
    catalogue: Catalogue = defaultdict(list)
    for drum in drums:
        if keep(drum.library):
            catalogue[drum.kind].append(drum)
    return dict(catalogue)
