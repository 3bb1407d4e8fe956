"""What tools/bootstrap.py decides on each kind of machine, and that it tells a whole environment from a broken one."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import pytest

from tools import bootstrap

ROOT = Path(__file__).parent.parent.parent
CPU_INDEX = ["--index-url", "https://download.pytorch.org/whl/cpu"]


def torch(system: str, *, has_gpu: bool = False, has_find_links: bool = False) -> list[list[str]]:
    return bootstrap.torch_commands(system, "2.13.0", has_gpu=has_gpu, has_find_links=has_find_links)


def test_linux_without_a_gpu_gets_torch_from_the_index_of_cpu_builds() -> None:
    assert torch("Linux") == [["install", "--no-deps", *CPU_INDEX, "torch==2.13.0"]]


def test_linux_without_a_gpu_tries_the_find_links_of_pip_first_and_no_index_there() -> None:
    first, second = torch("Linux", has_find_links=True)
    assert first == ["install", "--no-deps", "--no-index", "torch==2.13.0"]
    assert [second] == torch("Linux")


@pytest.mark.parametrize("system", ["Windows", "Darwin"])
@pytest.mark.parametrize("has_find_links", [True, False])
def test_windows_and_macs_get_the_plain_torch(system: str, has_find_links: bool) -> None:
    assert torch(system, has_find_links=has_find_links) == [["install", "--no-deps", "torch==2.13.0"]]


@pytest.mark.parametrize("system", ["Linux", "Windows"])
def test_only_with_an_nvidia_gpu_does_torch_come_with_its_cuda_packages(system: str) -> None:
    assert torch(system, has_gpu=True) == [["install", "--constraint", "requirements.lock", "torch==2.13.0"]]


@pytest.mark.parametrize("system", ["Linux", "Windows", "Darwin"])
@pytest.mark.parametrize("has_find_links", [True, False])
def test_without_a_gpu_no_command_may_bring_cuda(system: str, has_find_links: bool) -> None:
    commands = [*torch(system, has_find_links=has_find_links), *bootstrap.package_commands()]
    assert all("--no-deps" in command for command in commands)


def test_a_gpu_counts_only_when_its_driver_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform == "win32":
        pytest.skip("the stand-in for nvidia-smi is a shell script")
    tool = tmp_path / "nvidia-smi"
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")
    assert not bootstrap.has_nvidia_gpu("Linux")
    tool.write_text("#!/bin/sh\necho 'GPU 0: NVIDIA H200 (UUID: GPU-1)'\n")
    tool.chmod(0o755)
    assert bootstrap.has_nvidia_gpu("Linux")
    assert not bootstrap.has_nvidia_gpu("Darwin")
    tool.write_text("#!/bin/sh\necho 'GPU access blocked by the operating system'; exit 9\n")
    assert not bootstrap.has_nvidia_gpu("Linux")


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 12, 4), (3, 13, 9)])
def test_supported_pythons_are_accepted(version: tuple[int, int, int]) -> None:
    assert bootstrap.unsupported("CPython", version, "Linux", "x86_64") is None
    assert bootstrap.unsupported("CPython", version, "Darwin", "arm64") is None


@pytest.mark.parametrize(
    "implementation,version",
    [("CPython", (3, 8, 18)), ("CPython", (3, 10, 13)), ("CPython", (3, 14, 0)), ("PyPy", (3, 11, 9))],
)
def test_other_pythons_are_told_which_one_is_needed(implementation: str, version: tuple[int, int, int]) -> None:
    reason = bootstrap.unsupported(implementation, version, "Linux", "x86_64")
    assert reason is not None
    assert "needs CPython 3.11 to 3.13" in reason
    assert "\n" not in reason


def test_an_intel_mac_is_told_that_there_is_no_torch_for_it() -> None:
    assert "Apple silicon" in (bootstrap.unsupported("CPython", (3, 11, 0), "Darwin", "x86_64") or "")


def test_the_supported_pythons_are_those_of_the_metadata() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    oldest, newest = bootstrap.OLDEST, bootstrap.NEWEST
    assert project["requires-python"] == f">={oldest[0]}.{oldest[1]},<{newest[0]}.{newest[1] + 1}"


def test_all_tests_run_two_at_a_time_and_chosen_ones_alone(tmp_path: Path) -> None:
    checkout = bootstrap.Checkout(tmp_path)
    assert "--numprocesses=2" in (bootstrap.command_line(checkout, "test", []) or ())
    assert (bootstrap.command_line(checkout, "test", ["-m", "slow"]) or [])[-3:] == ["pytest", "-m", "slow"]


def test_the_version_of_a_package_is_read_from_the_lock() -> None:
    lock = "torchvision==1\n    # via torch==3\ntorch==2.13.0 ; sys_platform == 'linux'\n"
    assert bootstrap.locked_version(lock, "torch") == "2.13.0"
    with pytest.raises(bootstrap.SetupError, match="doesn't pin numpy"):
        bootstrap.locked_version(lock, "numpy")


@pytest.mark.parametrize(
    "line,size",
    [
        ("  Downloading uv-0.13.8-py3-none-linux.whl (17.4 MB)", 17.4),
        ("Downloading six-1.17.0-py2.py3-none-any.whl (11 kB)", 0.011),
        ("  Downloading torch-2.13.0.whl (1.5 GB)", 1500.0),
        ("  Using cached uv-0.13.8-py3-none-linux.whl (17.4 MB)", 0.0),
        ("Successfully installed uv-0.13.8", 0.0),
    ],
)
def test_the_size_of_a_download_is_read_from_what_pip_says(line: str, size: float) -> None:
    assert bootstrap.megabytes(line) == pytest.approx(size)


def test_programs_are_found_where_each_system_keeps_them() -> None:
    assert bootstrap.program(Path("e"), "Windows", "stembridge") == Path("e/Scripts/stembridge.exe")
    assert bootstrap.program(Path("e"), "Linux", "stembridge") == Path("e/bin/stembridge")


@pytest.fixture
def checkout(tmp_path: Path) -> bootstrap.Checkout:
    """A checkout with an environment that looks whole, and a stamp that says so."""
    made = bootstrap.Checkout(tmp_path)
    for name in (*bootstrap.LOCKS, "pyproject.toml"):
        (tmp_path / name).write_text(f"{name}\n")
    base = tmp_path / "base"
    base.mkdir()
    (base / "python").write_text("")
    made.python.parent.mkdir(parents=True)
    made.python.symlink_to(base / "python")
    (made.environment / "pyvenv.cfg").write_text(f"home = {base}\nversion = 3.11.7\n")
    bootstrap.write_stamp(made)
    return made


def test_nothing_is_done_nor_said_when_all_is_up_to_date(
    checkout: bootstrap.Checkout, capfd: pytest.CaptureFixture[str]
) -> None:
    bootstrap.set_up(checkout)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("lock", bootstrap.LOCKS)
def test_a_changed_lock_makes_the_environment_stale(checkout: bootstrap.Checkout, lock: str) -> None:
    (checkout.root / lock).write_text("other\n")
    assert checkout.stale() == {"packages"}


def test_changed_metadata_only_needs_the_checkout_installed_again(checkout: bootstrap.Checkout) -> None:
    (checkout.root / "pyproject.toml").write_text("other\n")
    assert checkout.stale() == {"project"}


def test_other_line_endings_change_nothing(checkout: bootstrap.Checkout) -> None:
    for name in (*bootstrap.LOCKS, "pyproject.toml"):
        (checkout.root / name).write_bytes(f"{name}\r\n".encode())
    assert not checkout.stale()


def test_an_interrupted_set_up_leaves_no_stamp_and_is_stale(checkout: bootstrap.Checkout) -> None:
    checkout.stamp.unlink()
    assert "packages" in checkout.stale()


def test_a_torn_stamp_is_stale(checkout: bootstrap.Checkout) -> None:
    checkout.stamp.write_text(checkout.stamp.read_text()[:40])
    assert "packages" in checkout.stale()


def test_a_moved_checkout_is_stale(checkout: bootstrap.Checkout, tmp_path_factory: pytest.TempPathFactory) -> None:
    there = tmp_path_factory.mktemp("elsewhere") / "checkout"
    checkout.root.rename(there)
    assert "root" in bootstrap.Checkout(there).stale()


def test_a_vanished_interpreter_is_stale(checkout: bootstrap.Checkout) -> None:
    (checkout.root / "base" / "python").unlink()
    assert checkout.stale() == {"interpreter"}
    (checkout.root / "base").rmdir()
    assert checkout.stale() == {"base", "interpreter"}


def test_an_environment_that_never_worked_is_stale_even_if_a_stamp_says_so(checkout: bootstrap.Checkout) -> None:
    checkout.python.unlink()
    bootstrap.write_stamp(checkout)
    assert checkout.stale() == {"interpreter"}


def test_a_folder_that_is_no_environment_is_left_alone(tmp_path: Path) -> None:
    made = bootstrap.Checkout(tmp_path)
    made.environment.mkdir()
    (made.environment / "thesis.txt").write_text("years of work")
    with pytest.raises(bootstrap.SetupError, match="move it away"):
        bootstrap.make_environment(made)
    assert (made.environment / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("left", [["bin", "lib"], ["Scripts", "Lib", "pyvenv.cfg"], []])
def test_what_is_left_of_an_environment_is_known_as_such(tmp_path: Path, left: list[str]) -> None:
    for name in left:
        (tmp_path / name).mkdir()
    assert bootstrap.is_environment(tmp_path)


def test_two_set_ups_at_once_take_turns(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    lock, order = tmp_path / "lock", []

    def second() -> None:
        with bootstrap.alone(lock):
            order.append("second")

    with bootstrap.alone(lock):
        other = threading.Thread(target=second)
        other.start()
        other.join(0.3)
        order.append("first")
    other.join()
    assert order == ["first", "second"]
    assert "waiting" in capfd.readouterr().err


@pytest.mark.parametrize("arguments", [["setup", "now"], ["run"], ["paint"]])
def test_wrong_use_is_one_line(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools/bootstrap.py"), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "stembridge: say one of: setup, demo, test, run PROGRAM\n"


def test_what_pip_says_when_it_fails_is_shown_and_summed_up_in_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = bootstrap.Checkout(tmp_path)
    made.python = Path(sys.executable)
    with pytest.raises(bootstrap.SetupError, match=r"--no-index there-is-no-such-package` failed \(ERROR: No matching"):
        bootstrap.Pip(made).run(["install", "--no-index", "there-is-no-such-package"])
    assert "  pip: ERROR: Could not find a version" in capfd.readouterr().err
