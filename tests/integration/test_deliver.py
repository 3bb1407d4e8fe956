"""What conversions deliver besides stems and MIDI, and what `stembridge deliver` adds."""

import json
import os
import time
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile

from bridge.deliver.preview import bundled_soundfont
from bridge.model import MidiOptions
from tests.deliver_support import make_result
from tests.integration.support import leftovers

FOLDER = Path("small song")


def manifest() -> dict:
    return json.loads((FOLDER / "manifest.json").read_text())


def kinds() -> set[str | None]:
    return {file["kind"] for file in manifest()["files"]}


def listed() -> set[str]:
    return {file["path"] for file in manifest()["files"]}


def there() -> set[str]:
    return {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file()}


@pytest.fixture
def deliver(convert, monkeypatch, capsys):
    """Runs `stembridge deliver --json` in this process."""
    from bridge import cli

    def run(*arguments: str) -> tuple[int, list[dict], str]:
        monkeypatch.setattr("sys.argv", ["stembridge", "deliver", "--json", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return ended.value.code, [json.loads(line) for line in captured.out.splitlines()], captured.err

    return run


def test_a_conversion_delivers_what_was_asked_for_and_lists_it(convert, song) -> None:
    run = convert(song, "--deliver", "loops,als", "--loop-bars", "1")
    assert run.code == 0, run.err
    assert run.stages[-3:] == ["deliver als", "deliver loops", "write"]
    assert kinds() == {None, "als", "loops"}
    assert listed() == there() - {"manifest.json"}
    assert (FOLDER / "small song Project" / "small song.als").is_file()
    for name in ("bass", "drums", "kick"):
        pieces = [soundfile.read(file, dtype="int32")[0] for file in sorted(FOLDER.glob(f"loops/*/{name}.wav"))]
        assert len(pieces) > 1
        assert np.array_equal(np.concatenate(pieces), soundfile.read(FOLDER / f"stems/{name}.wav", dtype="int32")[0])
    assert {"deliver als", "deliver loops"} <= manifest()["timings_s"].keys()
    assert manifest()["chords"]
    assert manifest()["midi"]["quantize"] is None
    assert leftovers(Path()) == ["small song"]


def test_a_result_can_be_delivered_later_and_its_midi_made_anew(deliver) -> None:
    make_result(FOLDER, options=MidiOptions(transpose=12))
    assert kinds() == {None}
    before = {path: (FOLDER / path).read_bytes() for path in there()}
    code, events, _ = deliver(str(FOLDER), "--deliver", "loops")
    assert code == 0
    assert events[-1]["folder"] == str(FOLDER.resolve())
    assert kinds() == {None, "loops"}
    assert all((FOLDER / path).read_bytes() == data for path, data in before.items() if path != "manifest.json")

    began = time.process_time()
    code, events, _ = deliver(str(FOLDER), "--quantize", "1/8")
    assert time.process_time() - began < 2.0
    assert code == 0
    assert [event["stage"] for event in events if event["event"] == "progress"][-1] == "write"
    midi = manifest()["midi"]
    assert (midi["quantize"], midi["transpose"], midi["groove"]) == ("1/8", 12, None)
    assert kinds() == {None, "loops"}
    for file in (FOLDER / "midi/drums.mid", *FOLDER.glob("loops/*/drums.mid")):
        now = 0
        for message in mido.MidiFile(file).tracks[0]:
            now += message.time
            assert message.type != "note_on" or now % 240 == 0
    code, _, _ = deliver(str(FOLDER), "--quantize", "off")
    assert {path: (FOLDER / path).read_bytes() for path in before if path[:4] == "midi"} == {
        path: data for path, data in before.items() if path[:4] == "midi"
    }


def test_how_deliveries_are_made_is_remembered(deliver) -> None:
    make_result(FOLDER)
    font = bundled_soundfont()
    code, _, _ = deliver(
        str(FOLDER), "--deliver", "als,loops", "--loop-bars", "2", "--no-audio-tracks", "--whole-notes",
        "--soundfont", str(font),
    )  # fmt: skip
    assert code == 0
    code, _, _ = deliver(str(FOLDER), "--deliver", "loops", "--transpose", "5")
    assert code == 0
    options = {
        "loop_bars": 2, "split_notes": False, "audio_tracks": False, "soundfont": str(font.resolve()),
        "kinds": ["als", "loops"],
    }  # fmt: skip
    assert manifest()["deliver"] == options
    assert (FOLDER / "loops/bars-001-002").is_dir()
    assert not list(FOLDER.glob("* Project/Samples"))
    code, _, _ = deliver(str(FOLDER), "--deliver", "als", "--soundfont", "bundled", "--audio-tracks")
    assert code == 0
    assert manifest()["deliver"] == {**options, "soundfont": None, "audio_tracks": True}
    assert list(FOLDER.glob("* Project/Samples"))


@pytest.mark.skipif(os.name == "nt", reason="Windows lets no folder go in which somebody is")
def test_delivering_from_within_the_result_says_that_its_folder_is_a_new_one(deliver, monkeypatch) -> None:
    make_result(FOLDER)
    back = Path.cwd()
    monkeypatch.chdir(FOLDER)
    code, events, _ = deliver(os.curdir, "--deliver", "loops")
    again, _, err = deliver(os.curdir, "--deliver", "loops")
    monkeypatch.chdir(back)
    assert code == 0
    warnings = [event["message"] for event in events if event["event"] == "warning"]
    assert warnings == ["the folder that you are in was replaced by a new one; enter that with: cd ."]
    assert again == 2
    assert err == (
        "stembridge: the folder that you are in is gone, or a new one has taken its place; enter that with: cd .\n"
    )
    assert (FOLDER / "loops/bars-001-008").is_dir()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit of the size of files")
def test_a_delivery_for_which_there_is_no_room_does_not_name_options_that_it_lacks(deliver) -> None:
    import resource
    import signal

    make_result(FOLDER)
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        code, _, err = deliver(str(FOLDER), "--deliver", "als")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert code == 6
    assert "use another folder" in err
    assert "--out" not in err


def test_a_delivery_that_cannot_be_made_loses_nothing_else(deliver) -> None:
    make_result(FOLDER)
    (FOLDER / "stems/bass.wav").unlink()
    code, events, err = deliver(str(FOLDER), "--deliver", "loops")
    assert code == 2
    assert err == "stembridge: a stem cannot be read: No such file or directory; convert the recording again\n"
    assert events[-1]["event"] == "error"
    assert kinds() == {None}


def test_what_cannot_be_delivered_is_wrong_use(deliver, convert, song) -> None:
    converted = convert(song, "--deliver", "als,mp3")
    code, _, err = deliver(str(FOLDER), "--deliver", "als,mp3")
    assert converted.code == code == 2
    assert all("there is no delivery 'mp3'; choose from als" in text for text in (converted.err, err))
    assert err.count("\n") == 1


def test_a_folder_that_is_no_result_is_wrong_use(deliver) -> None:
    code, _, err = deliver(os.curdir)
    assert code == 2
    assert "is not a result of Stembridge" in err
    assert err.count("\n") == 1


def test_a_parts_feel_goes_from_one_song_to_another(deliver, monkeypatch, capsys) -> None:
    from bridge import cli

    make_result(FOLDER)
    arguments = ("groove", str(FOLDER), "bass", "feel.json", "--grid", "1/8", "--bars", "2")
    monkeypatch.setattr("sys.argv", ["stembridge", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    assert capsys.readouterr().out == "8 of 16 steps are played by bass; written to feel.json\n"
    code, _, _ = deliver(
        str(FOLDER), "--groove", "feel.json", "--groove-strength", "0.5", "--scale", "a minor", "--humanize", "0.25",
        "--seed", "7", "--program", "bass=38", "--program", "vocals=52", "--expression",
    )  # fmt: skip
    assert code == 0
    midi = manifest()["midi"]
    assert (midi["groove"]["grid"], midi["groove"]["bars"], len(midi["groove"]["steps"])) == ("1/8", 2, 16)
    assert midi["programs"] == {"bass": 38, "vocals": 52}
    others = ("groove_strength", "scale", "humanize", "seed", "expression")
    assert [midi[name] for name in others] == [0.5, "A minor", 0.25, 7, True]
    code, _, _ = deliver(
        str(FOLDER), "--groove", "off", "--scale", "off", "--humanize", "0", "--no-expression", "--program", "bass=0"
    )
    assert code == 0
    midi = manifest()["midi"]
    assert [midi[name] for name in ("groove", "scale", "humanize", "expression")] == [None, None, 0.0, False]
    assert midi["programs"] == {"bass": 0, "vocals": 52}


@pytest.mark.parametrize(
    "options,reason",
    [
        (("--groove", "nothing.json"), "cannot read the groove nothing.json"),
        (("--groove", "bass/notes.json"), "cannot read the groove"),
        (("--groove-strength", "0.5"), "--groove-strength says how much of a groove"),
        (("--scale", "H minor"), "'H minor' is no scale"),
        (("--program", "drums=3"), "'drums=3' is no program"),
        (("--program", "bass=128"), "'bass=128' is no program"),
        (("--humanize", "nan"), "no number"),
    ],
)
def test_what_no_midi_can_be_made_with_is_refused(deliver, options, reason) -> None:
    make_result(FOLDER)
    code, _, err = deliver(str(FOLDER), *options)
    assert code == 2
    assert reason in err
