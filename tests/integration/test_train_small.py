"""The whole path of training, on nothing but drums made by rule: what it gives is an engine, if a poor one."""

from pathlib import Path

import pytest
import soundfile

from bridge.audio.file import AudioFile
from bridge.drums.kit_engine import KitDrumEngine
from bridge.progress import Progress

pytestmark = pytest.mark.slow


def test_an_engine_is_trained_from_nothing_stopped_and_gone_on_with_and_exported(tmp_path, capsys):
    pytest.importorskip("onnx")
    from tools.train.__main__ import main
    from tools.train.render import World, excerpt
    from tools.train.worlds import Material, training_world

    work, target = tmp_path / "work", tmp_path / "kit.onnx"
    common = ["--samples", str(tmp_path / "none"), "--kits", str(tmp_path / "none"), "--work", str(work), "--small"]
    main(["fit", *common])
    main(["fit", *common])
    assert "goes on from step 6" in capsys.readouterr().out
    main(["masks", *common])
    main(["masks", *common])
    assert "goes on from step 4" in capsys.readouterr().out
    main(["export", *common, "--target", str(target)])

    world = training_world(Material(tmp_path / "none", work, tmp_path / "none"), [])
    assert isinstance(world, World)
    made = excerpt(world, seed=1)
    soundfile.write(tmp_path / "drums.wav", 0.1 * made.samples, 44_100)
    engine = KitDrumEngine(Path(target))
    drums = AudioFile.open(tmp_path / "drums.wav")
    engine.transcribe(drums, {}, Progress())
    assert sum(len(block["kick"]) for block in engine.split(drums, Progress())) == drums.length
    assert engine.identity.version.startswith("2.6.4+")
