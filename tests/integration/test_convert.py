import json
import os
import threading
from collections import Counter
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile

from bridge.audio.decode import decode as really_decode
from bridge.transcription.basic_pitch import BasicPitchTranscriber
from bridge.transcription.profiles import PROFILES, SURE
from tests.integration.support import RATE, leftovers, song_samples

PARTS = ["bass", "melody", "vocals", "drums"]
COMPONENTS = ["kick", "snare", "hihat", "cymbal", "ride", "tom"]


def whole(path: Path) -> np.ndarray:
    """Samples in 24-bit steps."""
    return soundfile.read(path, dtype="int32", always_2d=True)[0].astype(np.int64) >> 8


def test_a_song_becomes_the_result_folder_of_the_contract(convert, song):
    run = convert(song)
    assert run.code == 0, run.err
    folder = Path("small song")
    midi = {f"midi/{name}.mid" for name in (*PARTS, *COMPONENTS, "song")}
    stems = {f"stems/{name}.wav" for name in (*PARTS, *COMPONENTS, "residual", "drums_residual")}
    notes = {f"notes/{name}.json" for name in (*PARTS, *COMPONENTS)}
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == midi | stems | notes | {"manifest.json"}
    manifest = json.loads((folder / "manifest.json").read_text())
    assert {file["path"] for file in manifest["files"]} == found - {"manifest.json"}
    assert all((folder / file["path"]).stat().st_size == file["bytes"] for file in manifest["files"])
    assert manifest["tempo_bpm"] == pytest.approx(120, abs=0.5)
    assert manifest["separator"]["name"] == "builtin"
    assert any("builtin" in warning for warning in manifest["warnings"])
    assert [part["name"] for part in manifest["parts"]] == PARTS + COMPONENTS
    notes = {part["name"]: json.loads((folder / part["notes"]).read_text())["notes"] for part in manifest["parts"]}
    assert all(notes[part] for part in ("bass", "drums", "kick"))
    assert leftovers(Path()) == ["small song"]

    source = whole(song)
    assert np.array_equal(sum(whole(folder / f"stems/{part}.wav") for part in (*PARTS, "residual")), source)
    pieces = sum(whole(folder / f"stems/{piece}.wav") for piece in (*COMPONENTS, "drums_residual"))
    assert np.array_equal(pieces, whole(folder / "stems/drums.wav"))

    assert mido.MidiFile(folder / "midi/bass.mid").type == 0
    song_file = mido.MidiFile(folder / "midi/song.mid")
    assert song_file.type == 1
    assert [track.name for track in song_file.tracks[1:]] == PARTS


def test_a_second_conversion_does_nothing_but_read_and_write(convert, song):
    first = convert(song)
    assert {"decode", "separate", "split drums", "tempo", "notes bass"} <= set(first.stages)
    before = {path: path.read_bytes() for path in Path("small song").rglob("*.*")}
    again = convert(song)
    assert again.stages == ["read", "harmony", "write"]
    for path, data in before.items():
        if path.name != "manifest.json":
            assert path.read_bytes() == data, path


def test_a_conversion_leaves_what_most_want(convert, song):
    run = convert(song, usual=True)
    assert [stage for stage in run.stages if stage.startswith("deliver")] == [
        "deliver als",
        "deliver loops",
        "deliver score",
        "deliver overview",
    ]
    found = {path.relative_to("small song").parts[0] for path in Path("small song").iterdir()}
    assert {"small song Project", "loops", "score", "overview.html"} <= found


def test_a_midi_option_needs_no_engine(convert, song):
    convert(song)
    run = convert(song, "--quantize", "1/16", "--transpose", "12", "--pitch-bend")
    assert run.stages == ["read", "harmony", "write"]
    bass = mido.MidiFile("small song/midi/bass.mid")
    ticks = np.cumsum([message.time for message in bass.tracks[0]])
    onsets = [tick for tick, message in zip(ticks, bass.tracks[0], strict=True) if message.type == "note_on"]
    assert onsets
    assert all(tick % 120 == 0 for tick in onsets)


def confidences(part):
    return [note["confidence"] for note in json.loads(Path(f"small song/notes/{part}.json").read_text())["notes"]]


def test_another_tightness_decodes_pitched_notes_anew_from_what_was_heard(convert, song):
    convert(song, "--separator", "none")
    usual = {part: confidences(part) for part in ("melody", "drums")}
    least, middle = PROFILES["mix"].least_confidence, sum(usual["melody"]) / len(usual["melody"])
    tightness = 0.5 + 0.5 * (middle - least) / (SURE - least)
    run = convert(song, "--separator", "none", "--tightness", f"{tightness}")
    assert run.stages == ["read", "notes bass", "notes melody", "notes vocals", "harmony", "write"]
    assert json.loads(Path("small song/manifest.json").read_text())["tightness"] == pytest.approx(tightness)
    assert confidences("melody") == [confidence for confidence in usual["melody"] if confidence >= middle] != []
    assert confidences("drums") == usual["drums"]
    convert(song, "--separator", "none", "--tightness", "0")
    assert len(confidences("melody")) > len(usual["melody"])


def test_decoding_again_asks_neither_the_network_nor_the_audio(convert, song, monkeypatch):
    def notes() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in Path("small song/notes").iterdir()}

    convert(song)
    usual = notes()
    with monkeypatch.context() as deaf:
        deaf.setattr("bridge.transcription.network.Network.__init__", None)
        deaf.setattr("bridge.steps.decode", None)
        assert convert(song, "--tightness", "0.2").code == 0
    again = notes()
    convert(song, "--tightness", "0.2", "--force")
    assert notes() == again != usual


def test_both_threads_find_the_audio_made_where_only_stems_are_kept(convert, song, monkeypatch):
    """The drums are heard in the mix, and so are the beats; two threads would make it at once."""
    convert(song, "--no-stems", "--deliver", "none")
    for forgotten in ("_kept", "_kept_heard"):  # notes and beats, not stems
        monkeypatch.setattr(f"bridge.steps.Steps.{forgotten}", lambda *_: None)
    threads: list[str] = []

    def decode(*arguments):
        threads.extend(thread.name for thread in threading.enumerate())
        return really_decode(*arguments)

    monkeypatch.setattr("bridge.steps.decode", decode)
    assert convert(song, "--no-stems", "--deliver", "none").code == 0
    assert threads
    assert not [name for name in threads if name.startswith("drums")]


def test_what_was_heard_is_shared_by_parts_that_are_heard_in_one_mix(convert, song, monkeypatch):
    convert(song, "--separator", "none", "--parts", "melody")
    monkeypatch.setattr("bridge.transcription.network.Network.posteriors", None)
    assert convert(song, "--separator", "none", "--parts", "melody,vocals").code == 0


def test_the_melody_is_judged_by_the_mix_and_the_voices_stem_which_are_heard_once(convert, song, monkeypatch):
    listened = []
    listen = BasicPitchTranscriber.listen

    def counted(self, audio, mix, profile, progress):
        listened.append(audio.path.stem)
        return listen(self, audio, mix, profile, progress)

    monkeypatch.setattr(BasicPitchTranscriber, "listen", counted)
    convert(song)
    assert {"mix", "melody", "vocals"} <= set(listened)
    assert len(listened) == len(set(listened))
    parts = {part["name"]: part for part in json.loads(Path("small song/manifest.json").read_text())["parts"]}
    assert (parts["melody"]["source"], parts["melody"]["judged_with"]) == ("stem", ["mix", "vocals"])
    assert (parts["bass"]["source"], parts["bass"]["judged_with"]) == ("mix", [])
    assert (parts["vocals"]["source"], parts["vocals"]["judged_with"]) == ("stem", [])
    for name, choices in (
        ("bass", {"stem", "mix", "together"}),
        ("melody", {"stem", "mix", "together"}),
        ("kick", {"stem", "mix"}),
    ):
        assert set(parts[name]["measured_f"]) == choices
    lines = json.loads(Path("small song/notes/melody.json").read_text()).get("removed", [])
    assert parts["melody"]["removed"] == dict(Counter(line["reason"] for line in lines))


def test_other_audio_under_the_same_name_is_converted_anew(convert, tmp_path):
    for scale in (1.0, 0.5):
        soundfile.write(tmp_path / "loop.wav", song_samples(2.0) * scale, RATE, subtype="PCM_16")
        assert "separate" in convert(tmp_path / "loop.wav").stages
    assert np.array_equal(
        sum(whole(Path(f"loop/stems/{part}.wav")) for part in (*PARTS, "residual")), whole(tmp_path / "loop.wav")
    )


def test_a_torn_cache_is_not_used(convert, song, home):
    convert(song, "--parts", "bass")
    for path in Path(home["STEMBRIDGE_CACHE_DIR"]).rglob("*.wav"):
        os.truncate(path, 1000)
    run = convert(song, "--parts", "bass")
    assert run.code == 0
    assert "separate" in run.stages


def test_force_does_everything_again(convert, song):
    convert(song, "--as", "bass")
    assert "notes bass" in convert(song, "--as", "bass", "--force").stages


@pytest.mark.parametrize("part", PARTS)
def test_a_recording_of_one_instrument_is_its_own_stem(convert, song, part):
    run = convert(song, "--as", part)
    assert run.code == 0
    manifest = json.loads(Path("small song/manifest.json").read_text())
    assert manifest["parts"][0]["name"] == part
    assert manifest["separator"]["name"] == "none"
    assert np.array_equal(whole(Path(f"small song/stems/{part}.wav")), whole(song))
    assert not whole(Path("small song/stems/residual.wav")).any()


def test_a_mix_is_transcribed_whole_without_stems(convert, song):
    run = convert(song, "--as", "mix")
    assert run.code == 0
    assert leftovers(Path("small song/midi")) == sorted(f"{n}.mid" for n in ("melody", "drums", "song", *COMPONENTS))
    assert not Path("small song/stems").exists()


def test_no_separator_looks_for_every_part_in_the_mix(convert, song):
    assert convert(song, "--separator", "none").code == 0
    parts = json.loads(Path("small song/manifest.json").read_text())["parts"]
    assert {part["source"] for part in parts} == {"mix"}
    assert not Path("small song/stems").exists()


def test_without_stems_the_drums_are_not_split(convert, song):
    assert "split drums" not in convert(song, "--parts", "drums", "--no-stems").stages


def test_chosen_parts_only_are_made(convert, song):
    assert convert(song, "--parts", "drums,bass", "--no-stems").code == 0
    assert leftovers(Path("small song/midi")) == sorted(f"{n}.mid" for n in ("bass", "drums", "song", *COMPONENTS))
    assert not Path("small song/stems").exists()


def test_a_range_is_converted_as_if_it_were_the_whole(convert, song):
    assert convert(song, "--range", "1:2.5", "--as", "bass").code == 0
    manifest = json.loads(Path("small song/manifest.json").read_text())
    assert manifest["range_s"] == [1.0, 2.5]
    assert np.array_equal(whole(Path("small song/stems/bass.wav")), whole(song)[RATE : RATE * 5 // 2])


@pytest.mark.parametrize("text, start, stop", [("3:", 3, 4), (":1.5", 0, 1.5)])
def test_a_range_may_lack_an_end(convert, song, text, start, stop):
    run = convert(song, "--range", text, "--as", "bass")
    assert run.code == 0
    assert not [event for event in run.events if event["event"] == "warning" and "range" in event["message"]]
    assert json.loads(Path("small song/manifest.json").read_text())["range_s"] == [start, stop]
    expected = whole(song)[round(start * RATE) : round(stop * RATE)]
    assert np.array_equal(whole(Path("small song/stems/bass.wav")), expected)


def test_a_given_tempo_is_written(convert, song):
    convert(song, "--bpm", "90", "--as", "bass")
    manifest = json.loads(Path("small song/manifest.json").read_text())
    assert manifest["tempo"]["source"] == "given"
    assert manifest["tempo_bpm"] == 90
    tempos = [m.tempo for m in mido.MidiFile("small song/midi/bass.mid").tracks[0] if m.type == "set_tempo"]
    assert mido.bpm2tempo(90) in tempos


def test_two_files_of_one_name_get_two_folders(convert, song, tmp_path):
    other = tmp_path / "small song.flac"
    soundfile.write(other, song_samples(1.0), RATE)
    assert convert("--as", "bass", song, other).code == 0
    assert leftovers(Path()) == ["small song", "small song.flac"]


def test_many_files_of_one_name_get_a_folder_each(convert, tmp_path):
    takes = []
    for folder in "abc":
        (tmp_path / folder).mkdir()
        takes.append(tmp_path / folder / "take.wav")
        soundfile.write(takes[-1], song_samples(0.3), RATE)
    assert convert("--as", "bass", *takes).code == 0
    assert leftovers(Path()) == ["take", "take.wav", "take.wav (2)"]


def test_what_the_user_added_to_a_result_is_kept(convert, song):
    convert(song, "--as", "bass")
    Path("small song/remix.txt").write_text("mine")
    convert(song, "--as", "bass", "--transpose", "1")
    assert Path("small song/remix.txt").read_text() == "mine"


def test_a_cache_of_no_size_keeps_nothing_whether_the_file_of_settings_or_the_environment_says_so(
    convert, song, home, monkeypatch
):
    config = Path(home["STEMBRIDGE_CONFIG_DIR"])
    config.mkdir(parents=True)
    (config / "config.toml").write_text("cache_gb = 0\n")
    steps = Path(home["STEMBRIDGE_CACHE_DIR"]) / "steps"
    assert convert("--as", "bass", song).code == 0
    assert not list(steps.glob("*"))
    monkeypatch.setenv("STEMBRIDGE_CACHE_GB", "1")
    assert convert("--as", "bass", song).code == 0
    assert list(steps.glob("*"))


def test_wrong_settings_of_the_daemon_keep_nobody_from_converting(convert, song, home):
    config = Path(home["STEMBRIDGE_CONFIG_DIR"])
    config.mkdir(parents=True)
    (config / "config.toml").write_text("osc_prot = 0\n")
    run = convert("--as", "bass", song)
    assert run.code == 0
    assert any("did you mean osc_port?" in event["text"] for event in run.events if event["event"] == "warning")


@pytest.mark.slow
def test_engines_can_be_loaded_for_two_threads_time_and_again(command, song):
    """Two threads that import one library at once break some of them, now and then."""
    for _ in range(10):
        run = command("convert", "--separator", "none", "--force", song)
        assert run.code == 0, run.err
