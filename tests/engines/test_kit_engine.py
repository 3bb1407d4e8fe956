"""The kit engine around a network of random weights: what holds for any network."""

import json
import subprocess
import sys
import threading
from importlib import resources
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bridge.audio.file import AudioFile
from bridge.drums import kit_network
from bridge.drums.attack import attack
from bridge.drums.kit_engine import KitDrumEngine
from bridge.drums.kit_features import bands
from bridge.drums.kit_network import KitNetwork, masks_path
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
    from tools.train.model import DeployedMasks, MaskNetwork
    from tools.train.model import KitNetwork as Trained

    torch.manual_seed(0)
    network = Trained(bands(), channels=8, front=(4, 4, 4))
    torch.nn.init.zeros_(network.onset.bias)
    path = tmp_path_factory.mktemp("model") / "kit.onnx"
    export(
        network, DeployedMasks(network, MaskNetwork(network, (4, 4, 4, 4))), {"alone": 0.5, "mixed": 0.9}, path, "test"
    )
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


def test_training_that_begins_with_exported_files_begins_with_what_they_hear(tmp_path):
    """Also where normalisations, which the files no longer have, go by the excerpts at hand, as they do in training."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnx")
    from tools.train.export import export
    from tools.train.model import DeployedMasks, DeployedStrokes, MaskNetwork
    from tools.train.model import KitNetwork as Trained
    from tools.train.shipped import begin_with_shipped

    def small(channels: int = 8) -> tuple[torch.nn.Module, torch.nn.Module]:
        strokes, network = (Trained(bands(), channels=channels, front=(4, 4, 4)) for _ in range(2))
        return DeployedStrokes(strokes), DeployedMasks(network, MaskNetwork(network, (4, 4, 4, 4)))

    rng = torch.Generator().manual_seed(3)
    strokes, masks = small()
    for _ in range(3):  # means and variances of their own
        _ = [deployed.train()(torch.rand(3, 300, bands(), generator=rng)) for deployed in (strokes, masks)]
    path = tmp_path / "kit.onnx"
    export(strokes.network, masks, {"alone": 0.5}, path, "test")
    features = torch.rand(4, 300, bands(), generator=rng)

    for deployed, begun, file in zip((strokes, masks), small(), (path, masks_path(path)), strict=True):
        begin_with_shipped(begun, file, features)

        with torch.inference_mode():
            expected, heard = deployed.eval()(features), begun.eval()(features)
            for module in begun.modules():
                module.train(not isinstance(module, torch.nn.Dropout))
            learning = begun(features)
        torch.testing.assert_close(heard, expected, atol=1e-4, rtol=0)
        torch.testing.assert_close(learning, expected, atol=1e-3, rtol=0)
    with pytest.raises(ValueError, match="another shape"):
        begin_with_shipped(small(16)[0], path, features)


def test_windows_give_the_same_as_the_whole(model, monkeypatch):
    features = np.random.default_rng(2).random((2500, bands()), dtype=np.float32)
    network = KitNetwork(model)
    whole, loud = network.strokes(features)
    [shared] = network.shares([features[:900]])  # shorter than a window, so all at once
    monkeypatch.setattr(kit_network, "CORE_FRAMES", 400)
    monkeypatch.setattr(kit_network, "MASK_CORE_FRAMES", 70)

    heard = list(network.hear(np.array_split(features, 9)))
    shares = list(network.shares(np.array_split(features[:900], 13)))

    assert [one.start for one in heard] == [0, *[one.stop for one in heard[:-1]]]
    assert heard[-1].stop == len(features)
    for one in heard:
        rows = slice(one.first, one.first + len(one.onsets))
        assert np.allclose(one.onsets, whole[rows], atol=1e-5)
        assert np.allclose(one.velocities, loud[rows], atol=1e-5)
        assert rows.start <= max(0, one.start - 1)
        assert rows.stop >= min(len(features), one.stop + 1)
    assert len(shares) > 1
    assert np.allclose(np.concatenate(shares), shared, atol=1e-5)


def test_the_network_reaches_as_far_as_it_says_and_no_further():
    """What an output depends on, by its gradient: windows overlap by just that."""
    torch = pytest.importorskip("torch")
    from tools.train.model import KitNetwork as Trained
    from tools.train.model import MaskNetwork, reach

    torch.manual_seed(0)
    network = Trained(bands(), channels=4, front=(2, 2, 2)).eval()
    masks = MaskNetwork(network, (2, 2, 2, 2)).eval()
    with torch.no_grad():  # nothing may be cut off, or the gradient would not get through
        for parameter in (*network.parameters(), *masks.parameters()):
            parameter.abs_().add_(0.01)
    middle = 2 * reach()
    features = torch.rand(1, 2 * middle + 1, bands(), dtype=torch.float64, requires_grad=True)
    known = network.double().known(features)
    found = masks.double()(known)[0, :, middle].sum() + network.strokes(known)[0][0, middle].sum()

    found.backward()

    assert features.grad is not None
    depends = torch.nonzero(features.grad[0].abs().sum(dim=1)).flatten() - middle
    assert -reach() <= int(depends[0]) <= 2 - reach()
    assert reach() - 2 <= int(depends[-1]) <= reach()


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100, 192_000])
def test_silence_and_nothing_at_all_are_borne(model, tmp_path, rate):
    engine = KitDrumEngine(model)
    for length in (0, 1, 100, rate):
        path = tmp_path / f"{length}.wav"
        soundfile.write(path, np.zeros((length, 2)), rate)
        audio = AudioFile.open(path)
        notes = engine.transcribe(audio, {}, Progress())
        blocks = list(engine.split(audio, Progress()))
        assert all(note.onset_s < length / rate for note in notes)
        assert all(sum(len(block[name]) for block in blocks) == length for name in COMPONENTS)
        assert not any(samples.any() for block in blocks for samples in block.values())


def test_the_components_cover_the_recording_and_are_no_more_than_it(model, noise):
    blocks = list(KitDrumEngine(model).split(noise, Progress()))

    assert all(set(block) == set(COMPONENTS) for block in blocks)
    made = {name: np.concatenate([block[name] for block in blocks]) for name in COMPONENTS}
    samples = noise.read()
    assert all(component.shape == samples.shape for component in made.values())
    assert all(component.any() for component in made.values())
    # Shares sum to less than one where a part is nobody's, so that the sum is the drums, softer.
    together = sum(made.values())
    assert 0.5 < np.sum(together * samples) / np.sum(samples**2) < 1.0
    assert np.sum(together**2) < np.sum(samples**2)


def test_the_network_that_ships_is_whole_small_and_hears_drums(tmp_path):
    path = tmp_path / "kicks.wav"
    t = np.arange(4 * RATE) / RATE
    since = t % 0.5
    kicks = np.sin(2 * np.pi * (50 * since + 4 * (1 - np.exp(-since / 0.02)))) * np.exp(-since / 0.08)
    soundfile.write(path, 0.5 * kicks, RATE, subtype="FLOAT")
    engine, audio = KitDrumEngine(), AudioFile.open(path)

    notes = engine.transcribe(audio, {}, Progress())
    kick = np.concatenate([block["kick"] for block in engine.split(audio, Progress())])

    found = [note.onset_s for note in notes if note.pitch == GM_DRUM["kick"]]
    assert found == pytest.approx([0.5 * beat for beat in range(8)], abs=0.01)
    assert np.sum(kick**2) > 0.8 * np.sum(audio.read() ** 2)
    shipped = [file for file in resources.files("bridge.drums").iterdir() if file.name.startswith("kit")]
    assert sum(len(file.read_bytes()) for file in shipped if not file.name.endswith(".py")) <= 10_000_000


def test_a_cancelled_transcription_stops(model, noise):
    stop = threading.Event()
    stop.set()

    with pytest.raises(Cancelled):
        KitDrumEngine(model).transcribe(noise, {}, Progress(cancelled=stop))


def test_another_threshold_is_another_engine(model, tmp_path):
    other = tmp_path / "kit.onnx"
    for path in (model, masks_path(model)):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    facts = json.loads(model.with_suffix(".json").read_text())
    facts["least"]["alone"] = 0.4
    other.with_suffix(".json").write_text(json.dumps(facts))

    assert KitDrumEngine(other).identity != KitDrumEngine(model).identity


def test_a_threshold_that_is_no_probability_is_not_used(model, tmp_path):
    for path in (model, masks_path(model)):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    facts = json.loads(model.with_suffix(".json").read_text())
    facts["least"]["mixed"] = 2.0
    (tmp_path / "kit.json").write_text(json.dumps(facts))

    with pytest.raises(EngineUnavailable, match="damaged"):
        KitDrumEngine(tmp_path / "kit.onnx").load()


def test_the_identity_names_the_very_network(model):
    identity = KitDrumEngine(model).identity

    assert identity.name == "kit"
    assert identity.version.startswith("test+")
    assert len(identity.sha256) == 64


def test_a_missing_network_says_what_to_do(tmp_path):
    with pytest.raises(EngineUnavailable, match="--drum-engine onset"):
        KitDrumEngine(tmp_path / "none.onnx")


@pytest.mark.parametrize("which", ["kit.onnx", "kit_masks.onnx"])
def test_a_damaged_network_is_not_run(model, noise, tmp_path, which):
    damaged = tmp_path / "kit.onnx"
    for path in (model, masks_path(model), model.with_suffix(".json")):
        whole = path.read_bytes()
        (tmp_path / path.name).write_bytes(whole[:-1] + b"!" if path.name == which else whole)

    with pytest.raises(EngineUnavailable, match="damaged"):
        KitDrumEngine(damaged).transcribe(noise, {}, Progress())


@pytest.mark.parametrize("facts", ["", "{}", '{"version": 1, "sha256": "", "classes": [], "reach": 1, "least": {}}'])
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


def test_each_surrounding_has_its_own_threshold(model, noise):
    alone, mixed = (KitDrumEngine(model, surrounding) for surrounding in ("alone", "mixed"))

    assert alone.identity != mixed.identity
    assert len(alone.transcribe(noise, {}, Progress())) > len(mixed.transcribe(noise, {}, Progress()))


@pytest.mark.parametrize("named", [0.995, 1.0, 1.007])
def test_a_stroke_is_moved_to_where_the_audio_rises(tmp_path, named):
    samples = 0.001 * np.random.default_rng(3).standard_normal(2 * RATE)
    samples[RATE : RATE + 4000] += np.random.default_rng(4).standard_normal(4000) * np.exp(-np.arange(4000) / 500)
    soundfile.write(tmp_path / "one.wav", 0.2 * samples, RATE, subtype="FLOAT")

    assert attack(AudioFile.open(tmp_path / "one.wav"), named) == pytest.approx(1.0, abs=0.001)


def test_a_stroke_that_opens_a_recording_is_at_its_beginning(tmp_path):
    samples = np.random.default_rng(4).standard_normal(RATE) * np.exp(-np.arange(RATE) / 500)
    soundfile.write(tmp_path / "loop.wav", 0.2 * samples, RATE, subtype="FLOAT")

    assert attack(AudioFile.open(tmp_path / "loop.wav"), 0.004) == pytest.approx(0.0, abs=0.001)


def test_where_a_recording_begins_with_noise_nothing_is_struck(tmp_path):
    samples = 0.01 * np.random.default_rng(3).standard_normal(RATE)
    samples[400 : 400 + 4000] += np.random.default_rng(4).standard_normal(4000) * np.exp(-np.arange(4000) / 500)
    soundfile.write(tmp_path / "cut.wav", 0.2 * samples, RATE, subtype="FLOAT")

    assert attack(AudioFile.open(tmp_path / "cut.wav"), 0.008) == pytest.approx(400 / RATE, abs=0.001)


def test_where_nothing_rises_a_stroke_stays(tmp_path):
    soundfile.write(tmp_path / "held.wav", 0.1 * np.sin(np.arange(2 * RATE) / 10), RATE, subtype="FLOAT")

    assert attack(AudioFile.open(tmp_path / "held.wav"), 1.0) == 1.0
