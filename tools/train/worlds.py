"""Which material trains and which judges: whole libraries and whole drummers apart."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tools.train.excerpts import Example, Layers, Store
from tools.train.libraries import (
    JUDGING_KITS,
    TRAINABLE_KITS,
    Drum,
    by_kind,
    folder_drums,
    hydrogen_drums,
    rendered_drums,
)
from tools.train.patterns import JUDGING_DRUMMERS, Groove
from tools.train.render import Excerpt, World, band_excerpt, excerpt, excerpt_with_components, separated
from tools.train.scores import MIXED_ENDINGS

#: Libraries that may be trained on and are held out none the less, so that electronic kits are judged too.
HELD_OUT = ("synthesizer_percussion", "hydrogen/Audiophob")
#: Songs whose backing judges: those whose names end so.
_JUDGING_SONGS = ("5", "9")
#: Judging excerpts a set; more of the two with other instruments, whose threshold rests on them alone.
JUDGING_EXCERPTS, JUDGING_MIXED, JUDGING_LAYERS = 16, 40, 32
#: Seeds of training excerpts are their numbers; those that judge are far from them.
_JUDGING_SEED = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Material:
    """Where everything lies.

    Attributes
    ----------
    samples
        The folders of samples, ``groove_midi`` and ``freedoom_midi``.
    work
        What was made: ``soundfonts``, ``backing``, ``excerpts``, checkpoints.
    kits
        Hydrogen's drum kits, as far as they are there.
    """

    samples: Path
    work: Path
    kits: Path

    def drums(self) -> Iterator[Drum]:
        """All drums at hand."""
        yield from folder_drums(self.samples)
        yield from rendered_drums(self.work / "soundfonts")
        yield from hydrogen_drums(self.kits, (*TRAINABLE_KITS, *JUDGING_KITS))


def _trains(library: str) -> bool:
    kit = library.removeprefix("hydrogen/")
    return library not in HELD_OUT and kit not in JUDGING_KITS


def training_world(material: Material, drums: list[Drum], *, everything: bool = False) -> World:
    """What is trained on; with `everything` also what may be, but is usually held out."""
    keep: Callable[[str], bool] = (
        (lambda library: library.removeprefix("hydrogen/") not in JUDGING_KITS) if everything else _trains
    )
    grooves = Groove.of(material.samples / "groove_midi", lambda drummer: drummer not in JUDGING_DRUMMERS)
    backings = tuple(path for path in _backings(material) if not _judges(path))
    return World(by_kind(drums, keep), grooves, backings, _songs(material, judging=False))


def judging_worlds(material: Material, drums: list[Drum]) -> dict[str, World]:
    """Held-out material by library; then the acoustic kits together, in mixes and separated from them.

    Where no kits are at hand, drums made by rule judge: that shows that the path works, and no more.
    """
    grooves = Groove.of(material.samples / "groove_midi", lambda drummer: drummer in JUDGING_DRUMMERS)
    backings = tuple(path for path in _backings(material) if _judges(path))
    clean = World(
        {},
        grooves,
        backings,
        _songs(material, judging=True),
        synthetic=0.0,
        surroundings=(0.7, 0.3, 0.0, 0.0),
        performed=(0.75, 0.25),
    )
    worlds = {}
    for kit in JUDGING_KITS:
        worlds[f"hydrogen/{kit}"] = replace(clean, catalogue=by_kind(drums, f"hydrogen/{kit}".__eq__))
    worlds["electronic"] = replace(clean, catalogue=by_kind(drums, HELD_OUT.__contains__))
    acoustic = by_kind(drums, lambda library: library.removeprefix("hydrogen/") in JUDGING_KITS)
    if backings:  # without them, mixes would be drums alone
        worlds["acoustic, mixed"] = replace(clean, catalogue=acoustic, surroundings=(0.0, 0.0, 1.0, 0.0))
        worlds["acoustic, separated"] = replace(clean, catalogue=acoustic, surroundings=(0.0, 0.0, 0.0, 1.0))
    found = {name: world for name, world in worlds.items() if world.catalogue}
    return found or {"by rule": replace(clean, synthetic=1.0)}


def training_store(material: Material, world: World, most: int, name: str = "training") -> Store[Example]:
    """The training excerpts: number n has seed n."""
    return Store(material.work / "excerpts" / name, partial(_numbered, world, 0), most, Example)


def band_store(material: Material, world: World, most: int, name: str = "training") -> Store[Example]:
    """What plays along with the training excerpts."""
    return Store(material.work / "excerpts" / f"{name}-bands", partial(band_excerpt, world), most, Example)


def layers_store(material: Material, world: World, most: int, name: str) -> Store[Layers]:
    """Excerpts with their components, to learn masks from or to judge them."""
    folder = material.work / "excerpts" / f"{name}-layers"
    return Store(folder, partial(excerpt_with_components, world), most, Layers)


def judging_layers(material: Material, drums: list[Drum], most: int | None = None) -> Store[Layers]:
    """`JUDGING_LAYERS` excerpts of the acoustic kits that judge, or `most`, with their components."""
    acoustic = by_kind(drums, lambda library: library.removeprefix("hydrogen/") in JUDGING_KITS)
    world = replace(next(iter(judging_worlds(material, drums).values())), catalogue=acoustic)
    world = world if acoustic else replace(world, synthetic=1.0)
    folder = material.work / "excerpts" / "judging" / "layers"
    return Store(folder, partial(_layered, world), most or JUDGING_LAYERS, Layers)


def judging_stores(material: Material, worlds: dict[str, World]) -> dict[str, Store[Example]]:
    """`JUDGING_EXCERPTS` of each judging world."""
    stores = {}
    for place, (name, world) in enumerate(worlds.items()):
        folder = material.work / "excerpts" / "judging" / re.sub(r"\W+", "_", name)
        most = JUDGING_MIXED if name.endswith(MIXED_ENDINGS) else JUDGING_EXCERPTS
        stores[name] = Store(folder, partial(_numbered, world, _JUDGING_SEED + 1000 * place), most, Example)
    return stores


def source_stores(material: Material, drums: list[Drum]) -> dict[str, Store[Example]]:
    """The same mixes of what judges, as they are and as the built-in separator takes their drums out.

    Raises
    ------
    KeyError
        There are no kits to judge with, or no bands.
    """
    world = judging_worlds(material, drums)["acoustic, mixed"]
    made: dict[str, Callable[[int], Excerpt]] = {
        "in the mix: mixed": partial(_numbered, world, 2 * _JUDGING_SEED),
        "in the stem: separated": partial(_separated, world, 2 * _JUDGING_SEED),
    }
    folder = material.work / "excerpts" / "judging"
    return {
        name: Store(folder / re.sub(r"\W+", "_", name), make, JUDGING_MIXED, Example) for name, make in made.items()
    }


def _separated(world: World, first: int, number: int) -> Excerpt:
    mix = excerpt(world, first + number)
    return replace(mix, samples=separated(mix.samples))


def _layered(world: World, number: int) -> Excerpt:
    return excerpt_with_components(world, _JUDGING_SEED + number)


def _numbered(world: World, first: int, number: int) -> Excerpt:
    return excerpt(world, first + number)


def _backings(material: Material) -> list[Path]:
    return sorted((material.work / "backing").glob("*.flac"))


def _songs(material: Material, *, judging: bool) -> Groove:
    files = sorted((material.samples / "freedoom_midi").glob("*.mid"))
    return Groove(tuple(file for file in files if _judges(file) == judging))


def _judges(song: Path) -> bool:
    return song.stem.endswith(_JUDGING_SONGS)
