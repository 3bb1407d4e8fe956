"""The Demucs path with tiny random weights: it separates nothing, but every number must be demucs' own."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from bridge.audio.file import AudioFile
from bridge.errors import Cancelled, EngineFailed, EngineUnavailable
from bridge.progress import Progress
from bridge.separation import demucs_child
from bridge.separation.demucs import DemucsSeparator
from bridge.separation.demucs_child import Job
from bridge.separation.weights import installed

NAMES = ["htdemucs", "htdemucs_ft", "htdemucs_6s"]
RATE = 44100
SEGMENT = RATE // 4  # of the tiny models
STRIDE = int(0.75 * SEGMENT)
#: Demucs' arithmetic repeated in another order: single precision's rounding, and no more.
CLOSE_DB = -110.0


def _tool(name: str) -> ModuleType:
    """A script of the tools folder."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[2] / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all three models, tiny."""
    folder = tmp_path_factory.mktemp("models")
    make_checkpoint = _tool("make_random_checkpoint").make_checkpoint
    for name in NAMES:
        make_checkpoint(folder / name, name, tiny=True)
    return folder


@pytest.fixture(autouse=True)
def _folders(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEMBRIDGE_MODELS_DIR", str(models))
    monkeypatch.setenv("STEMBRIDGE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def _one_thread() -> Iterator[None]:
    """Models this small run faster on one thread, and much faster on a busy machine."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def noise(path: Path, samples: int, rate: int = RATE, channels: int = 2) -> AudioFile:
    """A file of noise with an offset, louder towards its end, so that the whole track's level matters."""
    random = np.random.default_rng(samples)
    loudness = np.linspace(0.01, 0.3, samples)[:, None]
    audio = 0.05 + loudness * random.standard_normal((samples, channels))
    soundfile.write(path, audio.astype(np.float32), rate, subtype="FLOAT")
    return AudioFile.open(path)


def difference_db(got: NDArray[Any], expected: NDArray[Any]) -> float:
    error = np.mean((got - expected) ** 2.0) / np.mean((expected - expected.mean()) ** 2.0)
    return float(10 * np.log10(error + 1e-30))


def demucs_own(name: str, models: Path, wav: NDArray[np.float32]) -> NDArray[np.float32]:
    """What demucs' own API gives for (samples, 2): (sources, samples, 2)."""
    import torch
    from demucs.apply import apply_model
    from demucs.pretrained import get_model

    mix = torch.from_numpy(np.ascontiguousarray(wav.T))
    mono = mix.mean(0)  # these four lines: demucs.api.Separator.separate_tensor
    mean, deviation = mono.mean(), mono.std() + 1e-8
    out = apply_model(get_model(name, models / name), ((mix - mean) / deviation)[None], shifts=0, overlap=0.25)
    out = out * deviation + mean
    result: NDArray[np.float32] = out[0].numpy().transpose(0, 2, 1)
    return result


def ours(name: str, models: Path, wav: NDArray[np.float32], block: int) -> NDArray[np.float32]:
    """What our overlap-add gives for (samples, 2), fed in blocks: (sources, samples, 2)."""
    import torch

    from bridge.separation.demucs_model import load_bag, measure_level, separate

    weights = installed(name, models / name)
    bag = load_bag(weights.files, weights.rows, torch.device("cpu"))
    blocks = [wav[start : start + block] for start in range(0, len(wav), block)]
    heard: list[float] = []
    out = np.concatenate(list(separate(bag, blocks, len(wav), measure_level(blocks), heard.append)))
    assert heard == sorted(heard)
    assert heard[-1] == 1.0
    return out.reshape(len(wav), len(bag.sources), 2).transpose(1, 0, 2)


@pytest.mark.usefixtures("_one_thread")
@pytest.mark.parametrize(
    "name,samples",
    [
        pytest.param("htdemucs", 4 * SEGMENT + 17, id="several segments"),
        pytest.param("htdemucs", SEGMENT, id="one segment"),
        pytest.param("htdemucs", SEGMENT // 3, id="less than a segment"),
        pytest.param("htdemucs", 2 * STRIDE + 1, id="one sample in the last segment"),
        pytest.param("htdemucs", 2, id="two samples"),
        pytest.param("htdemucs_ft", 2 * SEGMENT, id="a bag of models"),
        pytest.param("htdemucs_6s", 2 * SEGMENT, id="six sources"),
    ],
)
def test_the_numbers_are_those_of_demucs(name: str, samples: int, models: Path, tmp_path: Path) -> None:
    wav = noise(tmp_path / "mix.wav", samples).read()
    expected = demucs_own(name, models, wav)
    assert difference_db(ours(name, models, wav, block=1_007), expected) < CLOSE_DB


@pytest.mark.slow
def test_the_numbers_are_those_of_demucs_at_the_real_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEMBRIDGE_MODELS_DIR", str(tmp_path))  # only there weights may have any hash
    _tool("make_random_checkpoint").make_checkpoint(tmp_path / "htdemucs", "htdemucs")
    wav = noise(tmp_path / "mix.wav", 12 * RATE).read()
    expected = demucs_own("htdemucs", tmp_path, wav)
    assert difference_db(ours("htdemucs", tmp_path, wav, block=1 << 16), expected) < CLOSE_DB


def test_one_sample_is_separated() -> None:
    """demucs itself gives NaN: one sample has no standard deviation."""
    from bridge.separation.demucs_model import measure_level

    level = measure_level([np.full((1, 2), 0.5, dtype=np.float32)])
    assert (level.mean, level.deviation) == (0.0, 1.0)


def separate(name: str, mix: AudioFile) -> dict[str, NDArray[np.float32]]:
    blocks = list(DemucsSeparator(name).separate(mix, Progress()))
    return {part: np.concatenate([block[part] for block in blocks]) for part in blocks[0]}


@pytest.mark.usefixtures("_one_thread")
def test_the_child_gives_the_same_and_folds_guitar_and_piano_into_the_melody(models: Path, tmp_path: Path) -> None:
    mix = noise(tmp_path / "mix.wav", 2 * SEGMENT)
    drums, bass, other, vocals, guitar, piano = demucs_own("htdemucs_6s", models, mix.read())
    parts = separate("htdemucs_6s", mix)
    assert tuple(parts) == DemucsSeparator("htdemucs_6s").parts
    expected = {"bass": bass, "vocals": vocals, "drums": drums, "guitar": guitar, "piano": piano}
    for part, samples in {**expected, "melody": other + guitar + piano}.items():
        assert difference_db(parts[part], samples) < CLOSE_DB, part


@pytest.mark.parametrize("rate,channels", [(48000, 1), (22050, 2)])
def test_rate_channels_and_length_are_the_mixs_own(rate: int, channels: int, tmp_path: Path) -> None:
    mix = noise(tmp_path / "mïx 'x' 🎵.wav", rate + 333, rate, channels)
    parts = separate("htdemucs", mix)
    assert tuple(parts) == DemucsSeparator("htdemucs").parts
    assert {samples.shape for samples in parts.values()} == {(mix.length, channels)}
    assert {samples.dtype for samples in parts.values()} == {np.dtype(np.float32)}
    # Aligned in time: every part follows the mix's growing loudness, so none is shifted or cut short.
    assert all(np.abs(samples[-rate // 10 :]).max() > 0 for samples in parts.values())


def _alive(pid: int) -> bool:
    """Whether a process is there, be it as a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ids of the children started in this test."""
    ids: list[int] = []
    popen = subprocess.Popen

    def noting(*args: Any, **options: Any) -> subprocess.Popen[bytes]:
        process = popen(*args, **options)
        ids.append(process.pid)
        return process

    monkeypatch.setattr(subprocess, "Popen", noting)
    return ids


def test_cancelling_ends_the_child_within_a_second(tmp_path: Path, started: list[int]) -> None:
    cancelled, asked = threading.Event(), []

    def cancel() -> None:
        asked.append(time.monotonic())
        cancelled.set()

    blocks = DemucsSeparator("htdemucs").separate(noise(tmp_path / "mix.wav", RATE), Progress(cancelled=cancelled))
    threading.Timer(0.3, cancel).start()  # while the child still loads torch: it hears nothing then
    with pytest.raises(Cancelled):
        list(blocks)
    assert time.monotonic() - asked[0] < 1.0
    assert len(started) == 1
    assert not _alive(started[0])


def test_leaving_the_loop_ends_the_child(tmp_path: Path, started: list[int]) -> None:
    blocks: Iterator[Any] = DemucsSeparator("htdemucs").separate(noise(tmp_path / "mix.wav", 9 * RATE), Progress())
    next(blocks)
    assert _alive(started[0])
    blocks.close()  # type: ignore[attr-defined]
    assert not _alive(started[0])


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs signals")
def test_a_child_that_is_killed_is_an_engine_failure(tmp_path: Path, started: list[int]) -> None:
    blocks = DemucsSeparator("htdemucs").separate(noise(tmp_path / "mix.wav", RATE), Progress())
    threading.Timer(0.3, lambda: os.kill(started[0], signal.SIGKILL)).start()
    with pytest.raises(EngineFailed, match="want of memory") as caught:
        list(blocks)
    assert "\n" not in str(caught.value)
    assert not _alive(started[0])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a file that can be waited for")
def test_a_child_whose_parent_is_gone_ends_even_where_it_hangs(models: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "silence.wav")  # nobody ever writes to it
    files = installed("htdemucs", models / "htdemucs").files
    job = Job(AudioFile(tmp_path / "silence.wav", RATE, 2, RATE), files, None)
    command = [sys.executable, "-m", "bridge.separation.demucs_child"]
    root = Path(demucs_child.__file__).parents[2]
    run = subprocess.run(command, input=job.to_line(), capture_output=True, timeout=50, cwd=root)  # closes its input
    assert (run.returncode, run.stdout) == (1, b"")


def test_missing_weights_say_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("STEMBRIDGE_MODELS_DIR", "STEMBRIDGE_DATA_DIR", "TORCH_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    with pytest.raises(EngineUnavailable, match="stembridge models download htdemucs"):
        DemucsSeparator("htdemucs")


def test_a_file_that_is_no_model_is_reported_with_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import hashlib

    content = b"not a pickle"
    folder = tmp_path / "htdemucs"
    folder.mkdir()
    (folder / f"955717e8-{hashlib.sha256(content).hexdigest()[:8]}.th").write_bytes(content)
    (folder / "htdemucs.yaml").write_text("models: ['955717e8']")
    monkeypatch.setenv("STEMBRIDGE_MODELS_DIR", str(tmp_path))
    with pytest.raises(EngineUnavailable, match=r"not a Demucs model.*stembridge models download htdemucs"):
        list(DemucsSeparator("htdemucs").separate(noise(tmp_path / "mix.wav", 100), Progress()))


def test_an_altered_file_is_not_loaded(models: Path, tmp_path: Path) -> None:
    import torch

    from bridge.separation.demucs_model import UnusableWeights, load_bag

    file = next((models / "htdemucs").glob("*.th"))
    with pytest.raises(UnusableWeights, match="has changed"):
        load_bag([(file, "0" * 64)], None, torch.device("cpu"))


def test_the_identity_tells_weights_apart(models: Path) -> None:
    identities = {DemucsSeparator(name).identity for name in NAMES}
    assert len({identity.sha256 for identity in identities}) == 3
    assert {identity.name for identity in identities} == set(NAMES)


def test_an_empty_mix_gives_nothing_and_starts_nothing(tmp_path: Path, started: list[int]) -> None:
    assert list(DemucsSeparator("htdemucs").separate(noise(tmp_path / "mix.wav", 0), Progress())) == []
    assert not started


def test_a_job_survives_its_journey_whatever_the_path(tmp_path: Path) -> None:
    odd = Path(os.fsdecode(b"/tmp/\xff 'x' \n.wav"))
    job = Job(AudioFile(odd, 44100, 2, 5), ((odd, "ab"),), ((1.0, 0.0),))
    line = job.to_line()
    assert line.count(b"\n") == 1
    back = Job.from_line(line)
    assert (back.mix, back.files) == (job.mix, job.files)
    assert [tuple(row) for row in back.rows or ()] == [(1.0, 0.0)]


def test_starting_the_child_imports_no_torch_in_the_parent() -> None:
    code = "import sys, bridge.separation.demucs; assert not {'torch', 'demucs', 'librosa'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_what_a_library_prints_does_not_disturb_the_frames() -> None:
    code = (
        "import os; from bridge.separation import demucs_child as c; from bridge.separation.demucs_frames import *\n"
        "out = c._take_over_stdout(); print('hello', flush=True); os.system('echo hi'); write_frame(out, DONE)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, cwd=Path(demucs_child.__file__).parents[2]
    )
    assert run.stdout == b"D\0\0\0\0"
    assert b"hello" in run.stderr


def test_a_child_that_crashes_at_once_tells_its_last_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mix = noise(tmp_path / "mix.wav", 100)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    (tmp_path / "python").write_text("#!/bin/sh\necho no such library >&2\nexit 3\n")
    (tmp_path / "python").chmod(0o755)
    with pytest.raises(EngineFailed, match="no such library"):
        list(DemucsSeparator("htdemucs").separate(mix, Progress()))


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells whether a process is there")
def test_a_child_that_hangs_dies_with_the_group_of_a_worker_that_is_killed(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from bridge.audio.file import AudioFile
from bridge.separation.demucs import _Child
from bridge.separation.demucs_child import Job
with _Child("htdemucs", Job(AudioFile(Path("x"), 44100, 2, 1), (), None)) as child:
    print(child._process.pid, flush=True)
    sys.stdin.read()
"""
    root = Path(__file__).parents[2]
    worker = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # as workers are
    )
    with worker:
        assert worker.stdout is not None
        child = int(worker.stdout.readline())
        os.kill(child, signal.SIGSTOP)
        os.killpg(worker.pid, signal.SIGKILL)
    deadline_s = time.monotonic() + 10.0
    while _is_alive(child):
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def _is_alive(pid: int) -> bool:
    """Whether a process is there and not only waiting to be buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
