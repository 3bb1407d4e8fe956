import json
import multiprocessing
import os
from pathlib import Path

import pytest

from bridge.cache import Cache, key_of


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache", limit_bytes=1000)


def stems(folder: Path, **contents: bytes) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, data in contents.items():
        paths.append(folder / f"{name}.wav")
        paths[-1].write_bytes(data)
    return paths


def entries(cache: Cache) -> set[str]:
    return {path.name for path in cache.root.iterdir()}


def test_what_was_stored_comes_back(cache, tmp_path):
    cache.store("song", stems(tmp_path / "made", bass=b"low", drums=b""))
    assert cache.fetch("song", tmp_path / "out")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == {
        "bass.wav": b"low",
        "drums.wav": b"",
    }
    cache.store_bytes("notes", b"[1]")
    assert cache.fetch_bytes("notes") == b"[1]"


def test_what_was_never_stored_is_missing(cache, tmp_path):
    assert not cache.fetch("song", tmp_path / "out")
    assert cache.fetch_bytes("song") is None


def test_the_copies_are_independent_of_each_other(cache, tmp_path):
    cache.store("song", stems(tmp_path / "made", bass=b"low"))
    cache.fetch("song", tmp_path / "first")
    (tmp_path / "first/bass.wav").write_bytes(b"edited")
    assert cache.fetch("song", tmp_path / "second")
    assert (tmp_path / "second/bass.wav").read_bytes() == b"low"


@pytest.mark.parametrize(
    "damage",
    [
        lambda entry: (entry / "bass.wav").write_bytes(b"lo"),
        lambda entry: (entry / "bass.wav").write_bytes(b"LOW"),
        lambda entry: (entry / "bass.wav").unlink(),
        lambda entry: (entry / "entry.json").write_text("{"),
        lambda entry: (entry / "entry.json").write_text("{}"),
        lambda entry: (entry / "entry.json").write_text(json.dumps({"../bass.wav": [3, 0]})),
        lambda entry: (entry / "entry.json").write_bytes(b"\x00" * 40),
    ],
    ids=["cut short", "one bit", "missing", "torn index", "empty index", "index that leads out", "zeroed index"],
)
def test_a_torn_entry_is_never_served_and_leaves_nothing_behind(cache, tmp_path, damage):
    cache.store("song", stems(tmp_path / "made", bass=b"low", drums=b"boom"))
    damage(cache.root / "song")
    assert not cache.fetch("song", tmp_path / "out")
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_a_file_that_is_changed_after_it_was_kept_is_not_served(cache, tmp_path):
    (made,) = stems(tmp_path / "made", bass=b"low")
    cache.store("song", [made])
    made.write_bytes(b"edited in place")
    assert not cache.fetch("song", tmp_path / "out")


def test_what_a_replaced_folder_alone_shares_with_the_cache_is_linked_and_still_checked(cache, tmp_path):
    (made,) = stems(tmp_path / "made", bass=b"low")
    cache.store("song", [made])
    assert cache.fetch("song", tmp_path / "heir", replacing=tmp_path / "made")
    assert (tmp_path / "heir/bass.wav").samefile(made)
    assert cache.fetch("song", tmp_path / "other", replacing=tmp_path / "made")  # now it has three names
    assert not (tmp_path / "other/bass.wav").samefile(made)
    (tmp_path / "heir/bass.wav").unlink()
    made.write_bytes(b"rot")
    assert not cache.fetch("song", tmp_path / "last", replacing=tmp_path / "made")
    assert not (tmp_path / "last/bass.wav").exists()


def test_files_are_copied_where_they_cannot_be_linked(cache, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("other file system")

    monkeypatch.setattr(os, "link", refuse)
    cache.store("song", stems(tmp_path / "made", bass=b"low"))
    assert cache.fetch("song", tmp_path / "out")


def test_trouble_where_the_files_should_go_costs_no_entry(cache, tmp_path):
    cache.store("song", stems(tmp_path / "made", bass=b"low"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out/bass.wav").mkdir()
    with pytest.raises(OSError, match=r"bass\.wav"):
        cache.fetch("song", tmp_path / "out")
    (tmp_path / "out/bass.wav").rmdir()
    assert cache.fetch("song", tmp_path / "out")


def test_a_torn_value_is_never_served(cache):
    cache.store_bytes("notes", b"[1]")
    (cache.root / "notes/value").write_bytes(b"[2]")
    assert cache.fetch_bytes("notes") is None
    assert entries(cache) == set()


def test_the_least_recently_used_entries_go_first(cache, tmp_path):
    for age, name in enumerate("abc"):
        cache.store(name, stems(tmp_path / "made", bass=bytes(300)))
        when = 1000 + age
        os.utime(cache.root / name, (when, when))
    assert cache.fetch("a", tmp_path / "out")  # now the most recently used
    cache.store("d", stems(tmp_path / "made", bass=bytes(300)))
    cache.tidy()
    assert entries(cache) == {"a", "c", "d"}  # three fit: 300 bytes each, and their indexes


def test_what_exceeds_the_limit_is_not_kept(cache, tmp_path):
    cache.store("long song", stems(tmp_path / "made", bass=bytes(2000)))
    assert not cache.fetch("long song", tmp_path / "out")


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    cache = Cache(tmp_path / "file" / "cache")
    cache.store_bytes("notes", b"[1]")
    assert cache.fetch_bytes("notes") is None


def _store_often(root: Path, made: Path, letter: bytes) -> None:
    cache = Cache(root, limit_bytes=5000)
    path = made / f"{letter.decode()}.wav"
    for _ in range(60):
        path.write_bytes(letter * 2000)
        cache.tidy()
        cache.store("shared", [path])
        cache.store(letter.decode(), [path])


def test_two_processes_at_once_never_see_a_torn_entry(tmp_path):
    made = tmp_path / "made"
    made.mkdir()
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_store_often, args=(tmp_path / "c", made, letter)) for letter in (b"x", b"y")]
    for writer in writers:
        writer.start()
    cache = Cache(tmp_path / "c", limit_bytes=5000)
    seen = 0
    while any(writer.is_alive() for writer in writers):
        for key in ("shared", "x", "y"):
            out = tmp_path / "out"
            if cache.fetch(key, out):
                seen += 1
                for path in out.iterdir():
                    assert path.read_bytes() == path.stem.encode() * 2000
                    path.unlink()
    assert seen
    assert all(writer.exitcode == 0 for writer in writers)
    assert not [name for name in entries(cache) if name.startswith(".")]


def test_keys_depend_on_every_fact_and_not_on_their_order():
    assert key_of(a=1, b="x") == key_of(b="x", a=1)
    assert len({key_of(a=1), key_of(a=2), key_of(b=1), key_of(a="1")}) == 4
