#!/usr/bin/env python3
r"""Set Stembridge up in this checkout, and run it there.

::

    python3 tools/bootstrap.py setup                    make the environment, or bring it up to date
    python3 tools/bootstrap.py demo [ARGUMENTS]         ... and convert the bundled song
    python3 tools/bootstrap.py test [ARGUMENTS]         ... and run the tests (the arguments are pytest's)
    python3 tools/bootstrap.py run PROGRAM [ARGUMENTS]  ... and run one of the environment's programs

It needs nothing but CPython and pip (on Windows: ``py tools\bootstrap.py demo``). The environment is ``.venv`` in the
checkout, with exactly the packages of requirements.lock and requirements-dev.lock. When it is up to date, nothing is
done, nor said.

What is installed is known from a stamp in the environment. It is removed before anything changes and written last, so
an interrupted set-up is never taken for a whole one: without a stamp the environment is made anew.

Only the standard library is used, and any Python since 3.8 can read this file, to be told which one is needed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
import sys
import time
from pathlib import Path

TYPE_CHECKING = False  # typing's own costs start-up time
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import IO, NoReturn

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.lock", "requirements-dev.lock")
OLDEST, NEWEST = (3, 11), (3, 13)  # as requires-python in pyproject.toml says; a test compares them
PYTORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"  # PyTorch's own place for builds without CUDA
ENVIRONMENT_PARTS = {".gitignore", "bin", "include", "lib", "lib64", "scripts", "share"}  # what venv and pip make
TAIL_LINES = 12  # of pip's output, shown when it fails: enough for its error and what led there
NOTABLE_MEGABYTES = 10.0  # downloads from this size on are announced: a few seconds on a usual line


class SetupError(Exception):
    """The set-up can't go on. The message says what is wrong and what to do."""


# ----------------------------------------------------------------------------------------------------- decisions (pure)


def unsupported(implementation: str, version: Sequence[int], system: str, machine: str) -> str | None:
    """Why this Python can't run Stembridge, in one line; None if it can."""
    needed = f"{OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}"
    this = ".".join(str(number) for number in version[:3])
    if implementation != "CPython" or not OLDEST <= tuple(version[:2]) <= NEWEST:
        return (
            f"Stembridge needs CPython {needed}, and this is {implementation} {this}: "
            f"start it with another one, such as `make demo PYTHON=python3.11` or `py -3.11 tools\\bootstrap.py demo`"
        )
    if (system, machine) == ("Darwin", "x86_64"):
        return "Stembridge needs Apple silicon, and a Python made for it: PyTorch is no longer made for Intel Macs"
    return None


def locked_version(lock: str, name: str) -> str:
    """The version that the text of a lock file pins a package to."""
    pin = re.search(rf"^{re.escape(name)}==([^\s;]+)", lock, re.MULTILINE)
    if pin is None:
        raise SetupError(f"{LOCKS[0]} doesn't pin {name}: restore it from the repository")
    return pin.group(1)


def torch_commands(system: str, pin: str, *, has_gpu: bool, has_find_links: bool) -> list[list[str]]:
    """Arguments for pip that install the torch that fits the machine: alternatives, to be tried in order.

    The plain package for Linux is built for CUDA and asks for several gigabytes of it, so without an NVIDIA GPU it is
    never asked for there: a copy in pip's find-links comes first, then PyTorch's index of CPU builds. The other
    packages that torch needs stand in the lock.

    Parameters
    ----------
    system
        As from `platform.system`: ``Linux``, ``Windows``, ``Darwin``.
    pin
        The version of torch in the lock.
    has_gpu
        Whether an NVIDIA GPU works here.
    has_find_links
        Whether pip is set up to look for packages in a folder or on a page (find-links).
    """
    torch = f"torch=={pin}"
    if has_gpu:
        return [["install", "--constraint", LOCKS[0], torch]]  # with its dependencies: CUDA is among them
    if system != "Linux":
        return [["install", "--no-deps", torch]]  # elsewhere the plain package has no CUDA
    found = [["install", "--no-deps", "--no-index", torch]] if has_find_links else []
    return [*found, ["install", "--no-deps", "--index-url", PYTORCH_CPU_INDEX, torch]]


def package_commands() -> list[list[str]]:
    """Arguments for pip that install everything else: the locked packages, then the checkout itself."""
    locks = [argument for lock in LOCKS for argument in ("--requirement", lock)]
    return [["install", "--no-deps", "--only-binary", ":all:", *locks], self_command()]


def self_command() -> list[str]:
    """Arguments for pip that install the checkout itself, editable. Its build tool is among the locked packages."""
    return ["install", "--no-deps", "--no-build-isolation", "--editable", "."]


def scripts_folder(environment: Path, system: str) -> Path:
    """Where a virtual environment has its programs."""
    return environment / ("Scripts" if system == "Windows" else "bin")


def program(environment: Path, system: str, name: str) -> Path:
    """One of a virtual environment's programs."""
    return scripts_folder(environment, system) / (f"{name}.exe" if system == "Windows" else name)


def megabytes(line: str) -> float:
    """Size of the download that a line of pip's output announces, in megabytes (10⁶ bytes); 0 if it announces none."""
    size = re.match(r"\s*Downloading \S+ \(([\d.]+) (bytes|kB|MB|GB)\)", line)
    return float(size.group(1)) * {"bytes": 1e-6, "kB": 1e-3, "MB": 1.0, "GB": 1e3}[size.group(2)] if size else 0.0


# ------------------------------------------------------------------------------------------------ state of the checkout


class Checkout:
    """A checkout, and what is known of the environment in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment = root / ".venv"
        self.stamp = self.environment / "stembridge-setup.json"
        self.system = platform.system()
        self.python = program(self.environment, self.system, "python")

    def wanted(self) -> dict[str, str]:
        """What the stamp says when everything is up to date: what the environment was made from, and where."""
        config = read_text(self.environment / "pyvenv.cfg")
        home = re.search(r"^home *= *(.+)$", config, re.MULTILINE)
        return {
            "packages": digest(self.root / lock for lock in LOCKS),
            "project": digest([self.root / "pyproject.toml"]),
            "platform": f"{self.system} {platform.machine()}",
            # A virtual environment works only in the place, and with the interpreter, that it was made for.
            "root": str(self.root),
            "base": home.group(1).strip() if home and Path(home.group(1).strip()).is_dir() else "gone",
            "interpreter": os.path.realpath(self.python) if self.python.exists() else "gone",
        }

    def stale(self) -> frozenset[str]:
        """What of `wanted` is not so; empty when there is nothing to do."""
        wanted = self.wanted()
        try:
            found = json.loads(self.stamp.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = {}
        gone = {key for key, value in wanted.items() if value == "gone"}
        return frozenset(gone.union(key for key, value in wanted.items() if found.get(key) != value))


def read_text(path: Path) -> str:
    """A file's text; empty when it isn't there."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def digest(paths: Iterator[Path] | list[Path]) -> str:
    """One hash of several files. Line endings don't count: Git may change them on Windows."""
    content = hashlib.sha256()
    for path in paths:
        try:
            content.update(path.read_bytes().replace(b"\r\n", b"\n") + b"\0")
        except OSError as error:
            raise SetupError(f"{path.name} can't be read ({error.strerror}): restore it from the repository") from error
    return content.hexdigest()


# --------------------------------------------------------------------------------------------------------------- set-up


def set_up(checkout: Checkout) -> None:
    """Make the environment, or bring it up to date. Returns at once, silently, when there is nothing to do."""
    if not checkout.stale():
        return
    with alone(checkout.root / ".venv.lock"):
        stale = checkout.stale()  # another set-up may have done the work meanwhile
        if not stale:
            return
        began = time.monotonic()
        with contextlib.suppress(FileNotFoundError):
            checkout.stamp.unlink()
        pip = Pip(checkout)
        if stale == {"project"}:
            say("pyproject.toml has changed: installing Stembridge again")
            pip.run(self_command())
        else:
            make_environment(checkout)
            install_everything(checkout, pip)
        write_stamp(checkout)
        say(f"ready after {time.monotonic() - began:.0f} s; {pip.downloaded_megabytes:.0f} MB were downloaded")


def make_environment(checkout: Checkout) -> None:
    """Make an empty virtual environment with pip in it, in place of the one there may be."""
    reason = unsupported(platform.python_implementation(), sys.version_info[:3], checkout.system, platform.machine())
    if reason:
        raise SetupError(reason)
    environment = checkout.environment
    if environment.exists() or environment.is_symlink():
        if not is_environment(environment):
            raise SetupError(f"{environment} is in the way, and isn't a virtual environment: move it away")
        remove(environment)
    say(f"making the environment in {environment.name} with Python {platform.python_version()}: this takes minutes")
    if call([sys.executable, "-m", "venv", str(environment)])[0] == 0:
        return
    # Debian keeps what brings pip into an environment in a package of its own. Without it, this Python's pip can.
    bare = call([sys.executable, "-m", "venv", "--clear", "--without-pip", str(environment)])
    pip = call([sys.executable, "-m", "pip", "--python", str(checkout.python), "install", "pip"])
    if bare[0] or pip[0]:
        raise SetupError(
            f"no virtual environment could be made ({last_line(bare[1] if bare[0] else pip[1])}): "
            "on Debian or Ubuntu, install the package python3-venv"
        )


def is_environment(folder: Path) -> bool:
    """Whether a folder is a virtual environment, or what is left of one whose making or removal was interrupted."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    return (folder / "pyvenv.cfg").exists() or {path.name.lower() for path in folder.iterdir()} <= ENVIRONMENT_PARTS


def install_everything(checkout: Checkout, pip: Pip) -> None:
    """Fill an empty environment: torch, the locked packages, the checkout itself."""
    pin = locked_version(read_text(checkout.root / LOCKS[0]), "torch")
    has_gpu = has_nvidia_gpu(checkout.system)
    say(f"installing PyTorch {pin} {'with CUDA, several gigabytes' if has_gpu else 'without CUDA'}")
    pip.run_first_that_works(torch_commands(checkout.system, pin, has_gpu=has_gpu, has_find_links=pip.has_find_links()))
    packages, itself = package_commands()
    say("installing the other packages")
    pip.run(packages)
    say("installing Stembridge itself")
    pip.run(itself)


def remove(environment: Path) -> None:
    """Remove an old environment."""
    import shutil

    try:
        shutil.rmtree(environment)
    except OSError as error:
        raise SetupError(f"{environment} can't be removed ({error}): close what uses it and try again") from error


def write_stamp(checkout: Checkout) -> None:
    """Note what was installed. The note appears whole or not at all."""
    draft = checkout.stamp.with_suffix(".new")
    draft.write_text(json.dumps(checkout.wanted(), indent=1) + "\n", encoding="utf-8")
    draft.replace(checkout.stamp)


def has_nvidia_gpu(system: str) -> bool:
    """Whether there is an NVIDIA GPU with a driver that works."""
    import shutil

    tool = shutil.which("nvidia-smi") if system != "Darwin" else None
    if tool is None:
        return False
    status, output = call([tool, "--list-gpus"], timeout_seconds=30.0)
    return status == 0 and output.lstrip().startswith("GPU ")


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Let one process at a time into the block. The lock goes with the process that holds it, however that ends."""
    with path.open("a+b") as file:
        if not try_lock(file):
            say("another set-up is at work in this checkout; waiting for it")
            while not try_lock(file):
                time.sleep(0.2)
        yield


def try_lock(file: IO[bytes]) -> bool:
    """Lock a file against other processes; False when another one holds it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


# ------------------------------------------------------------------------------------------------------------ processes


class Pip:
    """The environment's pip. Tells of large downloads, and adds all of them up."""

    def __init__(self, checkout: Checkout) -> None:
        self.downloaded_megabytes = 0.0
        self._root = checkout.root
        self._command = [str(checkout.python), "-m", "pip", "--disable-pip-version-check", "--no-input"]

    def has_find_links(self) -> bool:
        """Whether pip is set up, by variable or configuration file, to look in folders of packages."""
        return bool(os.environ.get("PIP_FIND_LINKS")) or "find-links" in call([*self._command, "config", "list"])[1]

    def run(self, arguments: Sequence[str]) -> None:
        """Run pip; raises `SetupError` when it fails, after showing the end of what it said."""
        self.run_first_that_works([arguments])

    def run_first_that_works(self, alternatives: Sequence[Sequence[str]]) -> None:
        """Run pip with each of the arguments until it succeeds."""
        output: list[str] = []
        for arguments in alternatives:
            status, output = self._attempt(arguments)
            if status == 0:
                return
        for line in output[-TAIL_LINES:]:
            print(f"  pip: {line}", file=sys.stderr)
        errors = [line for line in output if line.lower().startswith("error: ")] or output[-1:] or ["it said nothing"]
        command = " ".join(["pip", *alternatives[-1]])
        raise SetupError(f"`{command}` failed ({errors[-1]}): check the network and the disk, then try again")

    def _attempt(self, arguments: Sequence[str]) -> tuple[int, list[str]]:
        """Run pip once: its exit status and the lines it said."""
        import subprocess

        # PIP_COMPILE: Python compiles what is used at its first use; pip would compile everything, for half a minute.
        variables = {"PIP_USER": "0", "PIP_COMPILE": "0", "PIP_PROGRESS_BAR": "off", "NO_COLOR": "1"}
        lines: list[str] = []
        with subprocess.Popen(
            [*self._command, *arguments],
            cwd=self._root,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        ) as child:
            assert child.stdout is not None
            for line in child.stdout:
                lines.append(line.rstrip())
                size = megabytes(line)
                self.downloaded_megabytes += size
                if size >= NOTABLE_MEGABYTES:
                    say(f"  {line.strip()}")
        return child.returncode, lines


def call(command: Sequence[str], timeout_seconds: float | None = None) -> tuple[int, str]:
    """Run a program without input: its exit status and all that it said."""
    import subprocess

    try:
        done = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=timeout_seconds,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, str(error)
    return done.returncode, done.stdout


def last_line(text: str) -> str:
    """The last line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "nothing was said"


def become(command: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    """Go on as another program, so that signals and exit codes are its own."""
    if sys.platform != "win32":
        sys.stdout.flush()
        sys.stderr.flush()
        os.execve(command[0], list(command), dict(environment))
    import subprocess

    with subprocess.Popen(command, env=dict(environment)) as child:
        while True:
            try:
                sys.exit(child.wait())
            except KeyboardInterrupt:
                continue  # the child was told as well, and decides


def say(message: str) -> None:
    """Tell what is going on."""
    print(f"stembridge: {message}", file=sys.stderr, flush=True)


# --------------------------------------------------------------------------------------------------------- command line


#: How all tests run: two at a time, since many of them wait for other programs.
WHOLE_SUITE = ("--numprocesses=2", "--dist=worksteal")


def command_line(checkout: Checkout, command: str, arguments: Sequence[str]) -> list[str] | None:
    """The program that a command means; None for ``setup``, which means none."""
    if command == "setup" and not arguments:
        return None
    if command == "demo":
        return [str(program(checkout.environment, checkout.system, "stembridge")), "demo", *arguments]
    if command == "test":
        # What is picked out runs alone: some of it measures time.
        return [str(checkout.python), "-m", "pytest", *(arguments or WHOLE_SUITE)]
    if command == "run" and arguments:
        return [str(program(checkout.environment, checkout.system, arguments[0])), *arguments[1:]]
    raise SetupError("say one of: setup, demo, test, run PROGRAM")


def main(argv: Sequence[str]) -> int:
    """Do what the arguments say; returns the exit code, or goes on as the program that was asked for."""
    if not argv or argv[0] in ("-h", "--help"):
        print((__doc__ or "").replace("::\n\n", "\n"))
        return 0 if argv else 2
    checkout = Checkout(ROOT)
    try:
        command = command_line(checkout, argv[0], argv[1:])
        set_up(checkout)
    except SetupError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("interrupted; the next run begins again")
        return 130
    if command is None:
        return 0
    if argv[0] == "test":
        os.chdir(checkout.root)
    path = os.pathsep.join([str(scripts_folder(checkout.environment, checkout.system)), os.environ.get("PATH", "")])
    become(command, {**os.environ, "PATH": path})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
