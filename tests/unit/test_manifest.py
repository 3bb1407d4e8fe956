"""manifest.json: written, read back, and described."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bridge.errors import InvalidRequest
from bridge.model import COMPONENTS, PARTS, DeliverOptions, EngineId
from bridge.write import manifest as manifests
from bridge.write.manifest import COLORS, File, Manifest, Part, Source, Tempo

REPOSITORY = Path(__file__).resolve().parents[2]


def sample(**changes: Any) -> Manifest:
    manifest = Manifest(
        stembridge="0.1.0",
        source=Source(path="/music/song.wav", sha256="0" * 64, duration_s=180.5, sample_rate=44100, channels=2),
        range_s=(10.0, 20.0),
        tempo_bpm=112.0,
        tempo=Tempo(bpm=112.0, confidence=0.9, alternatives_bpm=(56.0, 224.0), source="detected", is_constant=True),
        beats_s=(0.25, 0.785714, 1.321429),
        downbeats_s=(0.25,),
        time_signature=(4, 4),
        key="A minor",
        separator=EngineId("builtin", "1", "ab"),
        parts=(
            Part(
                name="kick",
                midi="midi/kick.mid",
                audio=None,
                notes="notes/kick.json",
                confidence=0.5,
                color=COLORS["kick"],
                program=None,
                parent="drums",
                source="mix",
                engine=EngineId("onset", "1"),
            ),
        ),
        files=(File(path="midi/kick.mid", bytes=120),),
        timings_s={"separate": 12.5},
        warnings=("The audio is silent.",),
    )
    return msgspec.structs.replace(manifest, **changes)


def test_a_manifest_comes_back_as_it_was():
    assert manifests.decode(manifests.encode(sample())) == sample()


def test_a_manifest_has_the_fields_that_other_programs_rely_on():
    content = json.loads(manifests.encode(sample()))
    assert content["schema"] == 1
    assert content["source"] == {
        "path": "/music/song.wav",
        "sha256": "0" * 64,
        "duration_s": 180.5,
        "sample_rate": 44100,
        "channels": 2,
    }
    assert content["tempo_bpm"] == content["tempo"]["bpm"] == 112.0
    assert content["separator"] == {"name": "builtin", "version": "1", "sha256": "ab"}
    assert content["parts"][0] == {
        "name": "kick",
        "midi": "midi/kick.mid",
        "audio": None,
        "notes": "notes/kick.json",
        "confidence": 0.5,
        "color": "0xA95131",
        "program": None,
        "parent": "drums",
        "source": "mix",
        "engine": {"name": "onset", "version": "1", "sha256": ""},
        "judged_with": [],
        "measured_f": {},
        "removed": {},
    }
    assert content["files"] == [{"path": "midi/kick.mid", "bytes": 120, "kind": None, "crc32": None}]
    assert {"stembridge", "range_s", "beats_s", "downbeats_s", "time_signature", "key", "timings_s", "warnings"} <= set(
        content
    )


def test_numbers_are_rounded_and_lists_of_them_take_one_line():
    data = manifests.encode(sample(beats_s=(1 / 3, 2 / 3)))
    assert b'"beats_s": [0.333333, 0.666667],\n' in data


@pytest.mark.parametrize(
    "name", ["é 🎵", os.fsdecode(b"\xff\xfe"), 'quote" back\\slash', "[\n 1,\n 2\n]", "a [ 1, 2 ]"]
)
def test_any_file_name_survives_and_the_file_is_ascii(name: str):
    source = msgspec.structs.replace(sample().source, path=f"/{name}.wav")
    data = manifests.encode(sample(source=source, files=(File(path=f"{name.replace(chr(92), '')}.als", bytes=1),)))
    assert data.isascii()
    assert manifests.decode(data).source.path == f"/{name}.wav"


def broken(**changes: Any) -> bytes:
    return json.dumps({**json.loads(manifests.encode(sample())), **changes}).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b"{}",
        broken(schema=2),
        broken(schema=None),
        broken(tempo_bpm=-1),
        broken(tempo_bpm="fast"),
        broken(files=[{"path": "../../etc/passwd", "bytes": 1}]),
        broken(files=[{"path": "/etc/passwd", "bytes": 1}]),
        broken(files=[{"path": "a/../../b", "bytes": 1}]),
        broken(files=[{"path": "a", "bytes": -1}]),
        broken(parts=None),
    ],
)
def test_what_is_no_manifest_is_refused_in_one_line(tmp_path: Path, data: bytes):
    (tmp_path / "manifest.json").write_bytes(data)
    with pytest.raises(InvalidRequest) as caught:
        manifests.read(tmp_path)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("folder", ["missing", "file\nname"])
def test_a_folder_without_manifest_is_refused_in_one_line(tmp_path: Path, folder: str):
    (tmp_path / "file\nname").write_bytes(b"")
    with pytest.raises(InvalidRequest, match="is not a result of Stembridge") as caught:
        manifests.read(tmp_path / folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("field", ["schema", "beats_s", "warnings", "key"])
def test_a_missing_field_is_named(field: str):
    content = json.loads(manifests.encode(sample()))
    del content[field]
    with pytest.raises(ValueError, match="format" if field == "schema" else field):
        manifests.decode(json.dumps(content).encode())


def test_the_options_of_deliveries_survive_with_any_path():
    options = DeliverOptions(("als",), 2, False, False, Path(os.fsdecode(b"/\xff \xc3\xa9.sf2")))
    assert manifests.decode(manifests.encode(sample(deliver=options))).deliver == options
    content = json.loads(manifests.encode(sample(deliver=options)))
    with pytest.raises(ValueError, match="a loop has 1 bar or more"):
        manifests.decode(json.dumps({**content, "deliver": {**content["deliver"], "loop_bars": 0}}).encode())


def test_a_later_version_may_add_fields():
    assert manifests.decode(broken(mood="happy")) == sample()


def test_results_of_later_versions_are_known_as_ours(tmp_path: Path):
    (tmp_path / "manifest.json").write_bytes(broken(schema=2, parts="something else"))
    assert set(manifests.written_files(tmp_path) or ()) == {"midi/kick.mid"}


def test_every_part_and_component_has_a_colour_of_its_own():
    assert set(COLORS) == {*PARTS, *COMPONENTS}
    assert len(set(COLORS.values())) == len(COLORS)


def test_components_belong_to_the_drums():
    assert {manifests.parent_of(component) for component in COMPONENTS} == {"drums"}
    assert {manifests.parent_of(part) for part in PARTS} == {None}


def test_the_reference_page_is_fresh():
    spec = importlib.util.spec_from_file_location("make_reference", REPOSITORY / "tools" / "make_reference.py")
    assert spec is not None
    assert spec.loader is not None
    make_reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_reference)
    for path, page in make_reference.pages().items():
        assert path.read_text(encoding="utf-8") == page, f"{path} is stale: run python tools/make_reference.py"
