"""Which separation weights there are, where they lie on this machine, and what their author says of their use.

Nothing here needs torch. Fetching is in `bridge.separation.weights_download`.

A ``.th`` file is a pickle, and loading one can run any code. So only files are used whose SHA-256 begins with what
their published name says (demucs' convention: ``<signature>-<first 8 hex digits>.th``), and the process that loads them
checks the whole hash again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from bridge.disk import write_whole
from bridge.errors import EngineUnavailable, InvalidRequest
from bridge.places import cache_dir, data_dir

#: Megabytes (10**6 bytes) that each model's files take together, as their server gives them, rounded.
_SIZE_MB = {"htdemucs_ft": 337, "htdemucs": 84, "htdemucs_6s": 55}

#: Best first. `htdemucs_ft` is better than `htdemucs` by 0.1 to 0.25 dB in each stem and takes four times as long:
#: whoever fetched it after being told so wants it. `htdemucs_6s` comes last: its main stems are the weakest.
NAMES = tuple(_SIZE_MB)

LICENCE = "code MIT; weights: no licence stated, for research only by their author's word"
STATEMENT = (
    "Demucs' author says (github.com/facebookresearch/demucs, issues 327 and 508) that its MIT licence covers the code "
    "only, and that the weights are provided for scientific or research purposes. No right to use them commercially or "
    "to pass them on is stated."
)


@dataclass(frozen=True, slots=True)
class Published:
    """A model as it was published.

    Attributes
    ----------
    name
        demucs' name for it.
    folder
        Where its files lie below demucs' address.
    files
        Names of its ``.th`` files, in the order of the bag.
    rows
        How much each file's model counts for each source, or None: all the same.
    size_bytes
        What the files take together, about.
    """

    name: str
    folder: str
    files: tuple[str, ...]
    rows: tuple[tuple[float, ...], ...] | None
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Installed:
    """A model's files on this machine.

    Attributes
    ----------
    name
        demucs' name for the model.
    files
        Each file and its whole SHA-256, in the order of the bag.
    rows
        How much each file's model counts for each source, or None: all the same.
    """

    name: str
    files: tuple[tuple[Path, str], ...]
    rows: tuple[tuple[float, ...], ...] | None

    @property
    def sha256(self) -> str:
        """One hash for all: the file's own where there is one file, else that of the files' hashes joined."""
        hashes = [sha256 for _, sha256 in self.files]
        return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Row:
    """A line of ``stembridge models``: name, size, licence, its author's word, and its folder where it is installed."""

    name: str
    size_bytes: int
    licence: str
    statement: str
    installed: Path | None


@cache
def published(name: str) -> Published:
    """The published model `name`, from the lists in the demucs package.

    Raises
    ------
    InvalidRequest
        There is no such model.
    """
    if name not in NAMES:
        raise InvalidRequest(f"there is no model named {name}: choose one of {', '.join(NAMES)}")
    lists = resources.files("demucs") / "remote"
    signatures, rows = _bag((lists / f"{name}.yaml").read_text("utf-8"))
    places = dict(_places((lists / "files.txt").read_text("utf-8")))
    found = [places[signature] for signature in signatures]
    return Published(name, found[0][0], tuple(file for _, file in found), rows, _SIZE_MB[name] * 10**6)


def models_dir(name: str) -> Path:
    """Where `name` is kept once it was downloaded."""
    return data_dir() / "models" / name


def find(name: str) -> Path | None:
    """The folder with all files of `name`, whole and unaltered, or None.

    Looked at in this order: ``STEMBRIDGE_MODELS_DIR/name`` (the user's own folder, which may hold models of the user's
    own), where ``stembridge models download`` puts it, and where torch keeps what older versions of demucs fetched.
    """
    for folder in _folders(name):
        try:
            installed(name, folder)
        except EngineUnavailable:
            continue
        return folder
    return None


def installed(name: str, folder: Path) -> Installed:
    """The files of `name` in `folder`, checked.

    Raises
    ------
    EngineUnavailable
        A file is missing or is not what its name says.
    """
    model = published(name)
    rows = model.rows
    files = [folder / file for file in model.files]
    own = folder / f"{name}.yaml"
    if folder == _own_folder(name) and own.is_file():
        signatures, rows = _bag(own.read_text("utf-8"))
        files = [_own_file(folder, signature) for signature in signatures]
    return Installed(name, tuple((file, _checked(name, file)) for file in files), rows)


def best_installed() -> str | None:
    """The best model that is installed, or None; see `NAMES` for what best means."""
    return next((name for name in NAMES if find(name) is not None), None)


def describe() -> list[Row]:
    """All models, best first."""
    return [Row(name, published(name).size_bytes, LICENCE, STATEMENT, find(name)) for name in NAMES]


def expected_prefix(file: str) -> str:
    """The beginning of its SHA-256 that a weight file's name states."""
    return Path(file).stem.rpartition("-")[2]


def _own_folder(name: str) -> Path | None:
    """The user's own folder for `name`, where one is set."""
    own = os.environ.get("STEMBRIDGE_MODELS_DIR", "")
    return Path(own).expanduser().absolute() / name if own else None


def _folders(name: str) -> Iterator[Path]:
    """Where `name` may lie, in the order in which it is looked for."""
    own = _own_folder(name)
    if own is not None:
        yield own
    yield models_dir(name)
    # As torch.hub.get_dir() has it, which can't be asked without importing torch.
    home = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache")) / "torch"
    yield Path(home).expanduser() / "hub" / "checkpoints"


def _own_file(folder: Path, signature: str) -> Path:
    """The file of a signature in a folder of the user's own, where it may have any hash."""
    return next(iter(sorted(folder.glob(f"{signature}-*.th"))), folder / f"{signature}.th")


def _checked(name: str, file: Path) -> str:
    """The SHA-256 of a weight file, which must begin as the file's name says."""
    mend = f"stembridge models download {name}"
    try:
        sha256 = _sha256(file)
    except OSError as error:
        raise EngineUnavailable(f"{name} has no weights here yet ({file.name} is missing): {mend}") from error
    if not sha256.startswith(expected_prefix(file.name)):
        raise EngineUnavailable(f"{name}'s weights are damaged ({file}): {mend}")
    return sha256


def _sha256(file: Path) -> str:
    """The SHA-256 of a file; remembered by size and time of change, since four models take most of a second to read."""
    known_file = cache_dir() / "weights.json"
    status = file.stat()
    key, state = str(file.absolute()), [status.st_size, status.st_mtime_ns]
    known = _read_known(known_file)
    if known.get(key, [])[:2] == state:
        return str(known[key][2])
    with file.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    _write_known(known_file, {**known, key: [*state, sha256]})
    return sha256


def _read_known(file: Path) -> dict[str, list[int | str]]:
    """What is remembered; nothing where that can't be read."""
    with contextlib.suppress(OSError, ValueError):
        known = json.loads(file.read_text("utf-8"))
        if isinstance(known, dict) and all(isinstance(row, list) and len(row) == 3 for row in known.values()):
            return known
    return {}


def _write_known(file: Path, known: dict[str, list[int | str]]) -> None:
    """Remember. It saves a second at best, so a folder that can't be written to is no error."""
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, json.dumps(known).encode())


def _bag(text: str) -> tuple[tuple[str, ...], tuple[tuple[float, ...], ...] | None]:
    """Signatures and weights in a bag's description (demucs' ``.yaml``)."""
    import yaml

    bag = yaml.safe_load(text)
    rows = bag.get("weights")
    return tuple(bag["models"]), None if rows is None else tuple(tuple(map(float, row)) for row in rows)


def _places(text: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """Signature, and (folder, file name), for each line of demucs' ``files.txt``."""
    folder = ""
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith("root:"):
            folder = line.removeprefix("root:").strip()
        elif not line.startswith("#"):
            yield line.partition("-")[0], (folder, line)
