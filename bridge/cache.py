"""Finished stages of earlier conversions, kept so that they need not be done again.

An entry is a folder of files under a key that stands for everything the stage depends on. It is written under a
temporary name and renamed, so that another process sees it whole or not at all; its index holds size and CRC-32 of each
file, checked while they are copied out, so that a torn or rotten entry is dropped and never served. Entries are evicted
least recently used first.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import shutil
import time
import uuid
import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

#: Room for about seven four-minute songs with all stems (0.7 GB each).
DEFAULT_LIMIT_BYTES = 5 * 1024**3
_INDEX = "entry.json"
_TRASH = ".trash-"
_FRESH = ".fresh-"
_CHUNK_BYTES = 1 << 20
#: A half-made or half-deleted entry that old belongs to no running conversion.
_ABANDONED_S = 24 * 3600.0
#: Copying is bound by memory bandwidth: more threads gain nothing.
_COPIERS = 2
#: Size and CRC-32 of each file of an entry.
_Index = dict[str, tuple[int, int]]


def key_of(**facts: Any) -> str:
    """A name for everything that a stage depends on: the SHA-256 of `facts` as canonical JSON."""
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


class _TornError(Exception):
    """An entry is not what its index says."""


@dataclass(frozen=True, slots=True)
class Cache:
    """A size-limited store of stage results, safe under several processes.

    Parameters
    ----------
    root
        The cache folder; made when first needed.
    limit_bytes
        What all entries together may take; 0 keeps nothing.
    """

    root: Path
    limit_bytes: int = DEFAULT_LIMIT_BYTES

    def fetch(self, key: str, into: Path, replacing: Path | None = None) -> bool:
        """Copy the files of entry `key` to the folder `into`; False, with none left there, unless all are good.

        Files that share their data with one of the same name in `replacing`, and with nothing else, are linked instead
        of copied: that folder is about to be replaced, so in the end nobody shares more than before.

        Raises
        ------
        OSError
            If the files can't be written.
        """
        entry = self.root / key

        def take(item: tuple[str, tuple[int, int]]) -> None:
            name, fact = item
            is_shared = replacing is not None and _share_data(entry / name, replacing / name)
            bring = _keep_counted if is_shared else _copy_counted
            _check(name, bring(entry / name, into / name), fact)

        written: list[Path] = []
        try:
            index = _read_index(entry)
            into.mkdir(parents=True, exist_ok=True)
            written = [into / name for name in index]
            with ThreadPoolExecutor(max_workers=_COPIERS) as pool:
                list(pool.map(take, index.items()))
        except (OSError, ValueError, _TornError) as error:
            _remove(written)
            if isinstance(error, OSError) and not _is_about(error, entry):
                raise  # the trouble is where the files should go
            if not isinstance(error, FileNotFoundError):
                self._drop(entry, error)
            return False
        _touch(entry)
        return True

    def fetch_bytes(self, key: str) -> bytes | None:
        """What `store_bytes` kept under `key`, or None."""
        entry = self.root / key
        try:
            (name, (size, checksum)), *_ = _read_index(entry).items()
            data = (entry / name).read_bytes()
            _check(name, (len(data), zlib.crc32(data)), (size, checksum))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, _TornError) as error:
            self._drop(entry, error)
            return None
        _touch(entry)
        return data

    def store(self, key: str, files: Sequence[Path]) -> None:
        """Keep `files`, whose names differ, under `key`; no error if they can't be: a cache only saves time.

        Where the file system can, they are kept as second names of the same data, which takes no time and no room. Who
        changes such a file later makes its entry torn, and so it is dropped.
        """

        def copy_into(fresh: Path) -> _Index:
            with ThreadPoolExecutor(max_workers=_COPIERS) as pool:
                facts = list(pool.map(lambda path: _keep_counted(path, fresh / path.name), files))
            return {path.name: fact for path, fact in zip(files, facts, strict=True)}

        self._keep(key, sum(path.stat().st_size for path in files), copy_into)

    def store_bytes(self, key: str, data: bytes) -> None:
        """Keep `data` under `key`, as `store` does."""

        def write_into(fresh: Path) -> _Index:
            (fresh / "value").write_bytes(data)
            return {"value": (len(data), zlib.crc32(data))}

        self._keep(key, len(data), write_into)

    def _keep(self, key: str, size: int, fill: Callable[[Path], _Index]) -> None:
        if size > self.limit_bytes:
            return
        fresh = self.root / f"{_FRESH}{uuid.uuid4().hex}"
        try:
            fresh.mkdir(parents=True)
            index = fill(fresh)
            (fresh / _INDEX).write_text(json.dumps(index), encoding="ascii")
            self._publish(fresh, key)
        except OSError as error:
            log.warning("could not keep a result in the cache: %s", error)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def _publish(self, fresh: Path, key: str) -> None:
        entry = self.root / key
        self._discard(entry)
        try:
            fresh.rename(entry)
        except OSError:
            if not entry.exists():  # else another process was first, with the same content
                raise

    def _drop(self, entry: Path, reason: Exception) -> None:
        log.warning("cache entry %s is unusable: %s", entry.name, reason)
        self._discard(entry)

    def _all(self) -> list[Path]:
        try:
            return list(self.root.iterdir())
        except OSError:
            return []  # nothing was ever kept

    def _discard(self, entry: Path) -> None:
        """Take an entry out of sight in one step, then delete it."""
        trash = self.root / f"{_TRASH}{uuid.uuid4().hex}"
        try:
            entry.rename(trash)
        except OSError:
            return
        shutil.rmtree(trash, ignore_errors=True)

    def tidy(self) -> None:
        """Delete what dead processes left, and the least recently used entries until the rest fits."""
        entries = []
        for path in self._all():
            try:
                used = path.stat().st_mtime
                size = sum(file.stat().st_size for file in path.iterdir())
            except OSError:
                continue  # another process is deleting it
            if path.name.startswith((_TRASH, _FRESH)):
                if used < time.time() - _ABANDONED_S:
                    shutil.rmtree(path, ignore_errors=True)
                continue
            entries.append((used, size, path))
        total = sum(size for _, size, _ in entries)
        for _, size, path in sorted(entries):
            if total <= self.limit_bytes:
                return
            self._discard(path)
            total -= size


def _read_index(entry: Path) -> _Index:
    index = json.loads((entry / _INDEX).read_text(encoding="ascii"))
    if not isinstance(index, dict) or not index:
        raise ValueError("its index is empty")
    facts = {}
    for name, (size, checksum) in index.items():
        if Path(name).name != name:
            raise ValueError(f"its index names {name!r}")
        facts[str(name)] = (int(size), int(checksum))
    return facts


def _keep_counted(source: Path, target: Path) -> tuple[int, int]:
    """Link a file, or copy it where that can't be; its size and CRC-32."""
    try:
        os.link(source, target)
    except OSError:
        return _copy_counted(source, target)
    return _copy_counted(source, Path(os.devnull))


def _copy_counted(source: Path, target: Path) -> tuple[int, int]:
    """Copy a file; its size and CRC-32."""
    size = checksum = 0
    buffer = memoryview(bytearray(_CHUNK_BYTES))
    with source.open("rb", buffering=0) as reader, target.open("wb", buffering=0) as writer:
        while count := reader.readinto(buffer):
            checksum = zlib.crc32(buffer[:count], checksum)
            writer.write(buffer[:count])
            size += count
    return size, checksum


def _share_data(kept: Path, other: Path) -> bool:
    """Whether two files are names of the same data, which has no third name."""
    return other.exists() and kept.samefile(other) and kept.stat().st_nlink == 2


def _check(name: str, fact: tuple[int, int], expected: tuple[int, int]) -> None:
    if fact != expected:
        raise _TornError(f"{name} has changed")


def _touch(entry: Path) -> None:
    try:
        os.utime(entry)
    except OSError:
        return  # evicted meanwhile


def _is_about(error: OSError, entry: Path) -> bool:
    """Whether an error came from reading an entry: it names a file there, or is one that only reading meets."""
    if error.errno == errno.EIO:
        return True
    return isinstance(error.filename, str) and Path(error.filename).is_relative_to(entry)


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
