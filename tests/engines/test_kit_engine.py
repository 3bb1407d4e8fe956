"""The kit engine around a network of random weights: what holds for any network."""

import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bridge.audio.file import AudioFile
from bridge.drums import kit_network
from bridge.drums.attack import attack
from bridge.drums.kit_decode import CLASSES, GROUPS, Rule
from bridge.drums.kit_engine import KitDrumEngine
from bridge.drums.kit_features import bands
from bridge.drums.kit_network import KitNetwork
from bridge.errors import Cancelled, EngineUnavailable
from bridge.model import COMPONENTS, GM_DRUM
from bridge.progress import Progress

RATE = 44_100


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """An untrained network whose thresholds lie in the middle of what it gives."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnx")
    from tools.train.export import export
    from tools.train.model import KitNetwork as Trained
    from tools.train.model import MaskNetwork

    torch.manual_seed(0)
    network = Trained(bands(), channels=8, front=(4, 4, 4))
    torch.nn.init.zeros_(network.onset.bias)
    path = tmp_path_factory.mktemp("model") / "kit.onnx"
    rule = Rule((0.5,) * len(GROUPS), (1.0,) * len(CLASSES))
    surer = Rule((0.9,) * len(GROUPS), rule.weights)
    export(network, MaskNetwork(network, (4, 4, 4, 4)), {"alone": rule, "mixed": surer}, path, "test")
    return path


@pytest.fixture(scope="module")
def noise(tmp_path_factory) -> AudioFile:
    """Seven seconds of strokes of noise, at a rate and with channels that are not the network's."""
    rng = np.random.default_rng(1)
    length = 7 * 48_000
    envelope = np.zeros(length)
    for start in range(4800, length - 4800, 12_000):
        envelope[start : start + 4800] = rng.uniform(0.2, 1) * np.exp(-np.arange(4800) / 1000)
    path = tmp_path_factory.mktemp("audio") / "noise.wav"
    soundfile.write(path, 0.3 * envelope[:, None] * rng.standard_normal((length, 2)), 48_000, subtype="FLOAT")
    return AudioFile.open(path)


def test_hits_come_in_order_inside_the_recording_with_keys_of_drums(model, noise):
    notes = KitDrumEngine(model).transcribe(noise, {}, Progress())

    assert notes
    assert all(one.onset_s <= following.onset_s for one, following in pairwise(notes))
    assert {note.pitch for note in notes} <= set(GM_DRUM.values())
    assert all(note.onset_s < noise.duration_s for note in notes)
    assert all(0.5 <= note.confidence <= 1 for note in notes)


def test_windows_give_the_same_as_the_whole(model, monkeypatch):
    features = np.random.default_rng(2).random((2500, bands()), dtype=np.float32)
    network = KitNetwork(model)
    whole, loud = network.outputs(features, "onsets", "velocities")
    monkeypatch.setattr(kit_network, "CORE_FRAMES", 400)

    heard = list(network.hear(np.array_split(features, 9)))

    assert [one.start for one in heard] == [0, *[one.stop for one in heard[:-1]]]
    assert heard[-1].stop == len(features)
    for one in heard:
        rows = slice(one.first, one.first + len(one.onsets))
        assert np.allclose(one.onsets, whole[rows], atol=1e-5)
        assert np.allclose(one.velocities, loud[rows], atol=1e-5)
        assert rows.start <= max(0, one.start - 1)
        assert rows.stop >= min(len(features), one.stop + 1)


def test_silence_and_nothing_at_all_are_borne(model, tmp_path):
    for length in (0, 1, 100, RATE):
        path = tmp_path / f"{length}.wav"
        soundfile.write(path, np.zeros(length), RATE)
        notes = KitDrumEngine(model).transcribe(AudioFile.open(path), {}, Progress())
        assert all(note.onset_s < length / RATE for note in notes)


def test_the_components_cover_the_recording(model, noise):
    blocks = list(KitDrumEngine(model).split(noise, Progress()))

    assert all(set(block) == set(COMPONENTS) for block in blocks)
    assert sum(len(block["kick"]) for block in blocks) == noise.length


def test_a_cancelled_transcription_stops(model, noise):
    stop = threading.Event()
    stop.set()

    with pytest.raises(Cancelled):
        KitDrumEngine(model).transcribe(noise, {}, Progress(cancelled=stop))


def test_the_identity_names_the_very_network(model):
    identity = KitDrumEngine(model).identity

    assert identity.name == "kit"
    assert identity.version.startswith("test+")
    assert len(identity.sha256) == 64


def test_a_missing_network_says_what_to_do(tmp_path):
    with pytest.raises(EngineUnavailable, match="--drum-engine onset"):
        KitDrumEngine(tmp_path / "none.onnx")


def test_a_damaged_network_is_not_run(model, noise, tmp_path):
    damaged = tmp_path / "kit.onnx"
    damaged.write_bytes(model.read_bytes()[:-1] + b"!")
    damaged.with_suffix(".json").write_bytes(model.with_suffix(".json").read_bytes())

    with pytest.raises(EngineUnavailable, match="damaged"):
        KitDrumEngine(damaged).transcribe(noise, {}, Progress())


@pytest.mark.parametrize("facts", ["", "{}", '{"version": 1, "sha256": "", "classes": [], "reach": 1, "rules": {}}'])
def test_a_network_without_its_facts_is_not_run(model, tmp_path, facts):
    path = tmp_path / "kit.onnx"
    path.write_bytes(model.read_bytes())
    path.with_suffix(".json").write_text(facts)

    with pytest.raises(EngineUnavailable, match="missing or damaged"):
        KitDrumEngine(path).load()


def test_asking_for_the_identity_loads_no_library(model):
    code = f"""
import sys
from pathlib import Path
from bridge.drums.kit_engine import KitDrumEngine
print(KitDrumEngine(Path({str(model)!r})).identity.version, "onnxruntime" in sys.modules, "scipy" in sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout.split()[1:] == ["False", "False"]


def test_each_surrounding_has_its_own_rule(model, noise):
    alone, mixed = (KitDrumEngine(model, surrounding) for surrounding in ("alone", "mixed"))

    assert alone.identity != mixed.identity
    assert len(alone.transcribe(noise, {}, Progress())) > len(mixed.transcribe(noise, {}, Progress()))


@pytest.mark.parametrize("named", [0.995, 1.0, 1.007])
def test_a_stroke_is_moved_to_where_the_audio_rises(tmp_path, named):
    samples = 0.001 * np.random.default_rng(3).standard_normal(2 * RATE)
    samples[RATE : RATE + 4000] += np.random.default_rng(4).standard_normal(4000) * np.exp(-np.arange(4000) / 500)
    soundfile.write(tmp_path / "one.wav", 0.2 * samples, RATE, subtype="FLOAT")

    assert attack(AudioFile.open(tmp_path / "one.wav"), named) == pytest.approx(1.0, abs=0.001)


def test_where_nothing_rises_a_stroke_stays(tmp_path):
    soundfile.write(tmp_path / "held.wav", 0.1 * np.sin(np.arange(2 * RATE) / 10), RATE, subtype="FLOAT")

    assert attack(AudioFile.open(tmp_path / "held.wav"), 1.0) == 1.0
