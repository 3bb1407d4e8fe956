"""The daemon's settings: what there is, and which value is in force. Defaults < config.toml < environment < flags.

The types below are the only description of the settings: ``stembridge config`` and docs/reference/settings.md come from
them.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import msgspec
from msgspec import Meta, Struct

from bridge.config_text import Places, path_of, reason_of, shown, toml
from bridge.errors import InvalidRequest
from bridge.jobs.model import Options
from bridge.places import config_dir, expanded

NAME = "config.toml"
PREFIX = "STEMBRIDGE_"
#: Variables of other parts of Stembridge: `bridge.places`, `bridge.separation.weights`, and ``--midi-api`` of commands.
_OTHER_VARIABLES = frozenset(
    PREFIX + name for name in ("CACHE_DIR", "CONFIG_DIR", "DATA_DIR", "MODELS_DIR", "MIDI_API")
)
#: A file of settings is a page of text.
_MAX_FILE_BYTES = 1 << 20

_Folder = Annotated[str, Meta(max_length=32_767)]


class WatchedFolder(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A folder whose new audio files are converted."""

    folder: Annotated[_Folder, Meta(min_length=1, description="The folder; absolute, or beginning with `~`.")]
    out: Annotated[
        _Folder,
        Meta(description="Where its results go; empty for `out_dir`, or for a folder in it where several share it."),
    ] = ""
    recursive: Annotated[bool, Meta(description="Whether its sub-folders are watched too.")] = False
    polling: Annotated[bool, Meta(description="Look by and by instead of being told: for network drives.")] = False
    options: Annotated[
        Options,
        Meta(description="How its files are converted: `recording`, `parts`, `deliver`, … as for `convert`."),
    ] = Options()

    def __post_init__(self) -> None:
        _check_folder("folder", self.folder)
        if self.out:
            _check_folder("out", self.out)

    @property
    def path(self) -> Path:
        """The folder."""
        return expanded(self.folder)

    @property
    def out_path(self) -> Path | None:
        """Where its results go; None for where all others do."""
        return expanded(self.out) if self.out else None


class Settings(Struct, frozen=True):
    """What the user can set. Each field's title says which values it takes, its description what it does."""

    osc_port: Annotated[
        int,
        Meta(
            ge=0,
            le=65535,
            title="a port, 0 to 65535",
            description="UDP port on which Max for Live devices are heard; 0 picks a free one.",
        ),
    ] = 17900
    out_dir: Annotated[
        _Folder,
        Meta(
            title="a folder, absolute or beginning with ~",
            description="Where results go; empty for `Stembridge` in your music folder.",
        ),
    ] = ""
    watch: Annotated[
        tuple[WatchedFolder, ...],
        Meta(max_length=100, title="[[watch]] tables, or folders", description="Folders to watch; see below."),
    ] = ()
    stream: Annotated[
        bool,
        Meta(title="true or false", description="Play conversions to a virtual MIDI port, as their parts are found."),
    ] = False
    stream_port_name: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=64,
            title="1 to 64 characters",
            description="Name of that port; on Windows, of a loopback port that exists.",
        ),
    ] = "Stembridge"
    concurrency: Annotated[
        int,
        Meta(
            ge=1,
            le=16,
            title="a whole number, 1 to 16",
            description="Conversions at once. Each takes up to 4 GB of memory, and one already uses all cores.",
        ),
    ] = 1
    queue_limit: Annotated[
        int,
        Meta(
            ge=1,
            le=100_000,
            title="a whole number, 1 to 100000",
            description="How many conversions may wait; more are refused.",
        ),
    ] = 1000
    hang_timeout_s: Annotated[
        float,
        Meta(
            ge=10.0,
            le=86_400.0,
            title="seconds, 10 to 86400",
            description="A conversion without a sign of life for so long is ended.",
        ),
    ] = 600.0
    cache_gb: Annotated[
        float,
        Meta(
            ge=0.0,
            le=10_000.0,
            title="gigabytes, 0 to 10000",
            description="How large the cache of finished steps may grow, also when `convert` is used; 0 keeps none.",
        ),
    ] = 5.0
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(title="debug, info, warning or error", description="The least weighty messages that are logged."),
    ] = "info"

    @property
    def results_folder(self) -> Path:
        """Where results go."""
        if self.out_dir:
            return expanded(self.out_dir)
        import platformdirs

        return platformdirs.user_music_path() / "Stembridge"


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings in force, and for each key where its value comes from."""

    settings: Settings
    origins: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Row:
    """One setting as ``stembridge config`` shows it."""

    key: str
    value: str
    origin: str


def read(flags: Mapping[str, object], environ: Mapping[str, str] = os.environ, folder: Path | None = None) -> Loaded:
    """The settings in force on this machine; see `load`.

    Raises
    ------
    InvalidRequest
        If a setting is wrong, or the file can't be read.
    """
    path = (folder or config_dir()) / NAME
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        data = None
    except OSError as error:
        raise InvalidRequest(f"cannot read {path}: {error.strerror or error}; make it readable, or move it") from error
    return load(data, environ, flags, str(path))


def load(file: bytes | None, environ: Mapping[str, str], flags: Mapping[str, object], file_name: str = NAME) -> Loaded:
    """The settings in force.

    Parameters
    ----------
    file
        What is in the file of settings (TOML), or None where there is none.
    environ
        Environment variables: ``STEMBRIDGE_`` and the key in capitals; empty ones aren't set. ``STEMBRIDGE_WATCH``
        is a list of folders as in ``PATH``.
    flags
        Values given on the command line by key; None for those that weren't given.
    file_name
        The file's name, for messages.

    Raises
    ------
    InvalidRequest
        If a key is unknown or a value isn't what its key takes; says where.
    """
    values: dict[str, Any] = {}
    origins = dict.fromkeys(Settings.__struct_fields__, "default")
    for key, value, origin in (*_from_file(file, file_name), *_from_environment(environ), *_from_flags(flags)):
        values[key] = value
        origins[key] = origin
    return Loaded(Settings(**values), origins)


def describe(loaded: Loaded) -> list[Row]:
    """Each setting, its value as it would be written in the file, and where it comes from."""
    rows = []
    for key, origin in loaded.origins.items():
        value = getattr(loaded.settings, key)
        if key == "out_dir":
            value = str(loaded.settings.results_folder)
        elif key == "watch":
            value = [msgspec.to_builtins(it) | {"folder": str(it.path)} for it in value]
        rows.append(Row(key, toml(value), origin))
    return rows


def reference_page() -> str:
    """docs/reference/settings.md."""
    lines = [_INTRODUCTION, "| key | takes | default | what |", "|---|---|---|---|"]
    for key, meta in _described(Settings):
        default = msgspec.json.encode(getattr(Settings(), key)).decode()
        lines.append(f"| `{key}` | {meta.title} | `{default}` | {meta.description} |")
    lines += [_WATCH_SECTION, "| key | default | what |", "|---|---|---|"]
    defaults = msgspec.structs.asdict(WatchedFolder(folder="~"))
    for key, meta in _described(WatchedFolder):
        default = "" if key in ("folder", "options") else f"`{msgspec.json.encode(defaults[key]).decode()}`"
        lines.append(f"| `{key}` | {default} | {meta.description} |")
    return "\n".join([*lines, _EXAMPLE])


_Found = Iterable[tuple[str, Any, str]]


def _from_file(data: bytes | None, name: str) -> _Found:
    if data is None:
        return
    if len(data) > _MAX_FILE_BYTES:
        raise InvalidRequest(f"{name} is larger than any file of settings; look whether it is the right file")
    try:
        text = data.decode("utf-8-sig")
        table = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{name} isn't UTF-8 text; save it as that") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidRequest(f"{name} isn't valid TOML: {error}") from error
    places = Places(name, text)
    for key, value in table.items():
        _check_keys({key}, Settings, places.of)
        if key == "watch":
            _check_watch(value, places)
        where = places.of(key)
        yield key, _checked(key, value, where), where


def _from_environment(environ: Mapping[str, str]) -> _Found:
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable in _OTHER_VARIABLES or not environ[variable]:
            continue
        key = variable.removeprefix(PREFIX).lower()
        _check_keys({key}, Settings, lambda key: f"the environment variable {PREFIX}{key.upper()}")
        value = environ[variable]
        text = value.split(os.pathsep) if key == "watch" else value
        yield key, _checked(key, text, variable, lax=True), variable


def _from_flags(flags: Mapping[str, object]) -> _Found:
    for key, value in flags.items():
        if value is not None:
            flag = f"--{key.replace('_', '-')}"
            _check_keys({key}, Settings, lambda key: f"--{key.replace('_', '-')}")
            yield key, _checked(key, value, flag), flag


def _checked(key: str, value: object, where: str, *, lax: bool = False) -> Any:
    """The value as the type of its key.

    Parameters
    ----------
    key
        Of a setting.
    value
        As it was found.
    where
        For the message.
    lax
        Whether text may stand for numbers and truth values.
    """
    types = get_type_hints(Settings, include_extras=True)
    if key == "watch" and isinstance(value, (list, tuple)):
        value = [{"folder": item} if isinstance(item, str) else item for item in value]
    try:
        checked = msgspec.convert(value, types[key], strict=not lax)
        if key == "out_dir" and checked:
            _check_folder(key, checked)
    except (ValueError, TypeError) as error:
        takes = dict(_described(Settings))[key].title
        reason = f"; {reason_of(error)}" if key == "watch" else f", not {shown(value)}"
        raise InvalidRequest(f"{where}: {key} must be {takes}{reason}") from error
    return checked


def _check_watch(value: object, places: Places) -> None:
    """Refuse what is wrong in a table of ``watch``, and say in which line; what is no table at all is found later."""
    for index, table in enumerate(value if isinstance(value, list) else ()):
        if not isinstance(table, dict):
            continue
        _check_keys(table, WatchedFolder, partial(places.of, "watch", index))
        options = table.get("options")
        _check_keys(
            options if isinstance(options, dict) else (), Options, partial(places.of, "watch", index, "options")
        )
        try:
            msgspec.convert(table, WatchedFolder)
        except (ValueError, TypeError) as error:
            where = places.of("watch", index, *path_of(error), *_meant(error))
            raise InvalidRequest(f"{where}: {reason_of(error)}") from error


def _meant(error: Exception) -> list[str]:
    """The key that a check of ours complains about: its name comes first."""
    first = str(error).partition(" ")[0].rstrip(":")
    return [first] if first in {*WatchedFolder.__struct_fields__, *Options.__struct_fields__} else []


def _check_keys(keys: Iterable[str], owner: type[Struct], where: Any) -> None:
    """Raise where there is no such setting, with the one that was probably meant."""
    known = owner.__struct_fields__
    for key in keys:
        if key not in known:
            near = difflib.get_close_matches(key.lower(), known, 1)
            advice = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise InvalidRequest(f"{where(key)}: there is no setting {key[:80]!r}; {advice}")


def _check_folder(key: str, path: str) -> None:
    if not (path.startswith("~") or Path(path).is_absolute()) or "\0" in path:
        raise ValueError(f"{key} must be absolute or begin with ~, not {path[:200]!r}")
    try:
        expanded(path)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error


def _described(owner: type[Struct]) -> list[tuple[str, Meta]]:
    """Each field, and what is said of it."""
    hints = get_type_hints(owner, include_extras=True)
    return [(key, hints[key].__metadata__[-1]) for key in owner.__struct_fields__]


_INTRODUCTION = """<!-- Generated by tools/make_reference.py from bridge/config.py; don't edit. -->

# Settings

The daemon's settings are in one file, `config.toml`, in the folder that `stembridge config` names. Each can also be
given in the environment, as `STEMBRIDGE_` and the key in capitals (`STEMBRIDGE_OSC_PORT=17910`), and some by a flag of
`stembridge serve`. A flag goes before the environment, the environment before the file, the file before the default.
`stembridge config` shows what is in force and where it comes from. Unknown keys and impossible values are refused.
"""
_WATCH_SECTION = """
## Watched folders

Each has a `[[watch]]` table. `STEMBRIDGE_WATCH` is a list of folders, written as in `PATH`.
"""
_EXAMPLE = """
## Example

```toml
osc_port = 17910
out_dir = "~/Music/Converted"

[[watch]]
folder = "~/Music/Ideas"
recursive = true

[watch.options]
recording = "song"
quantize = "1/16"
```
"""
