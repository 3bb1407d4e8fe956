"""The daemon's commands as a user types them."""

import contextlib
import json
import os
import runpy
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from bridge import cli, doctor
from bridge.commands.lazy import COMMANDS
from bridge.errors import BridgeError
from bridge.jobs.model import Job, JobSpec, Options
from bridge.jobs.store import JobStore
from bridge.osc.codec import decode, encode
from bridge.osc.server import OscServer
from bridge.peer import CommandQueue, NoAnswer, Peer, answers, handle_of
from tests.integration.osc_support import SECRET, Device, MemoryQueue, to_spec
from tests.integration.support import Run

ROOT = Path(__file__).parents[2]


@pytest.fixture
def command(home, monkeypatch, capsys) -> Callable[..., Run]:
    """Runs `stembridge` in this process, which saves starting one each time."""
    for name, value in home.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> Run:
        monkeypatch.setattr(sys, "argv", ["stembridge", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        events = [json.loads(line) for line in captured.out.splitlines()] if "--json" in arguments else []
        return Run(ended.value.code, captured.out, captured.err, events)

    return run


@pytest.fixture
def store(home) -> JobStore:
    """The list of jobs of a daemon that doesn't run."""
    with JobStore(Path(home["STEMBRIDGE_DATA_DIR"]) / "daemon" / "jobs.sqlite3") as kept:
        yield kept


def job(job_id: str, **changes) -> Job:
    spec = JobSpec(source=str(Path("/music/a song.wav").absolute()), out_dir=str(Path("/out").absolute()))
    usual = {"origin": "watch", "priority": 20, "spec": spec, "created_s": 1_700_000_000.0}
    return Job(**{"id": job_id} | usual | changes)


def test_the_help_names_every_command(command) -> None:
    run = command("--help")
    assert run.code == 0
    assert all(f"\n  {name} " in run.out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_help_is_there(name) -> None:
    from click.testing import CliRunner

    from bridge.cli import stembridge

    shown = CliRunner().invoke(stembridge, [name, "--help"])
    assert shown.exit_code == 0, shown.output


def test_the_command_line_imports_no_command_before_it_is_used() -> None:
    known = "(name for name in sys.modules if name.startswith(('bridge.commands', 'bridge.jobs')))"
    script = f"import sys, bridge.cli; print(*{known})"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["bridge.commands", "bridge.commands.lazy"]


def test_config_shows_what_is_in_force_and_where_it_comes_from(command, home) -> None:
    config = Path(home["STEMBRIDGE_CONFIG_DIR"])
    config.mkdir(parents=True)
    (config / "config.toml").write_text("concurrency = 2\n")
    run = command("config")
    assert run.code == 0
    lines = {line.split(" ")[0]: line for line in run.out.splitlines()}
    assert "= 2 " in lines["concurrency"]
    assert str(config / "config.toml") in lines["concurrency"]
    assert lines["osc_port"].endswith("# default")


@pytest.mark.parametrize("name", ["config", "serve"])
def test_an_unknown_setting_is_refused_with_the_one_that_was_meant(command, home, name) -> None:
    config = Path(home["STEMBRIDGE_CONFIG_DIR"])
    config.mkdir(parents=True)
    (config / "config.toml").write_text("osc_prot = 17900\n")
    run = command(name)
    assert run.code == 2
    assert "did you mean osc_port?" in run.err
    assert run.err.count("\n") == 1


def test_variables_of_other_parts_are_no_wrong_settings(command, monkeypatch) -> None:
    monkeypatch.setenv("STEMBRIDGE_MODELS_DIR", "/models")
    monkeypatch.setenv("STEMBRIDGE_MIDI_API", "jack")
    assert command("config").code == 0
    monkeypatch.setenv("STEMBRIDGE_OSC_PROT", "1")
    assert command("config").code == 2


def test_a_folder_to_watch_that_is_not_there_is_wrong_use(command) -> None:
    run = command("watch", "no such folder")
    assert run.code == 2
    assert "no such folder" in run.err


def test_jobs_are_listed_shown_and_cancelled_without_a_daemon(command, store, home) -> None:
    store.add(job("watch-1", state="done", result="/out/a song", ended_s=1_700_000_009.0))
    store.add(job("watch-2"))
    listed = command("jobs")
    *rows, last = listed.out.splitlines()
    assert [line.split()[2:4] for line in rows] == [["queued", "watch-2"], ["done", "watch-1"]]
    assert last.startswith("No daemon runs")
    shown = command("jobs", "show", "watch-1")
    assert "/out/a song" in shown.out
    assert "a watched folder" in shown.out
    cancelled = command("jobs", "cancel", "watch-2")
    assert (cancelled.code, cancelled.err) == (0, "")
    assert store.get("watch-2").state == "cancelled"
    assert "has ended already: done" in command("jobs", "cancel", "watch-1").out


def test_what_a_daemon_that_is_gone_left_is_shown_as_interrupted(command, store) -> None:
    store.add(job("watch-1", state="running", stage="separate", fraction=0.5))
    for arguments in (["jobs"], ["jobs", "show", "watch-1"]):
        said = command(*arguments).out
        assert "interrupted  50% separate" in said
        assert "running" not in said
        assert "No daemon runs" in said


def test_the_warnings_of_a_conversion_are_shown_with_its_job(command, store, tmp_path) -> None:
    song = runpy.run_path(str(ROOT / "tools" / "measure_stream.py"))["make_song"](tmp_path / "song", 8, 2.0)
    manifest = json.loads((song / "manifest.json").read_text())
    warnings = ["it is silent", "it is short"]
    (song / "manifest.json").write_text(json.dumps(manifest | {"warnings": warnings}))
    store.add(job("watch-1", state="done", result=str(song), ended_s=1_700_000_009.0))
    shown = command("jobs", "show", "watch-1").out.splitlines()
    assert [line.removeprefix("note").strip() for line in shown if line.startswith("note")] == warnings
    (song / "manifest.json").unlink()
    assert command("jobs", "show", "watch-1").code == 0


@pytest.mark.parametrize(
    "job_id, said", [("nothing", "there is no job nothing"), ("watch", "2 jobs have ids that begin with watch")]
)
def test_an_id_that_names_no_single_job_is_wrong_use(command, store, job_id, said) -> None:
    store.add(job("watch-1"))
    store.add(job("watch-2"))
    run = command("jobs", "show", job_id)
    assert run.code == 2
    assert said in run.err


def test_without_a_daemon_ever_there_are_no_jobs(command, home) -> None:
    assert command("jobs").out == "There are no jobs yet.\n"
    assert command("jobs", "list", "--json").out == ""
    assert not Path(home["STEMBRIDGE_DATA_DIR"]).exists(), "looking makes nothing"


def test_the_service_says_how_it_is(command, tmp_path, monkeypatch) -> None:
    if sys.platform != "linux":
        pytest.skip("systemd is asked on Linux only")
    # No systemd will be found with these, whatever the machine has.
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert command("service", "status").out == "no systemd here; start it with: stembridge serve\n"
    refused = command("service", "install")
    assert (refused.code, refused.err) == (1, "stembridge: no systemd here; start it with: stembridge serve\n")


#: The checks that try libraries in a process of their own and take seconds.
THOROUGH = {"Libraries", "Decoders", "MIDI"}


def test_the_doctor_says_what_is_wrong_and_how_to_mend_it_and_fails(command, home, monkeypatch) -> None:
    quick = {name: check for name, check in doctor.CHECKS.items() if name not in THOROUGH}
    monkeypatch.setattr(doctor, "CHECKS", quick)
    config = Path(home["STEMBRIDGE_CONFIG_DIR"])
    config.mkdir(parents=True)
    (config / "config.toml").write_text("osc_prot = 17900\n")
    run = command("doctor", "--json")
    assert run.code == 1
    findings = {event["name"]: event for event in run.events}
    assert findings["Settings"]["verdict"] == "fail"
    assert findings["Settings"]["mend"]
    assert not Path(home["STEMBRIDGE_DATA_DIR"]).exists(), "it changes nothing"


@pytest.mark.slow
def test_the_doctor_finds_nothing_that_fails_where_all_is_installed(command) -> None:
    run = command("doctor")
    assert run.code == 0, run.out
    assert {line.split(":")[0].split(None, 1)[1] for line in run.out.splitlines() if "→" not in line} >= THOROUGH
    assert "→" in run.out


def test_a_command_means_any_job_by_its_handle_and_a_device_only_its_own(tmp_path) -> None:
    queue = MemoryQueue()
    spec = job("x").spec
    queue.submit("watch-1", "watch", spec)
    with OscServer(CommandQueue(queue), SECRET, lambda request, job_id: spec, tmp_path, port=0) as server:
        with Device(server.port) as device:
            device.open()
            device.send("job/cancel", handle_of("watch-1"))
            assert device.expect("job/error")[1] == "cancelled", "of its own, which never was"
            assert not queue.get("watch-1").ended
        with Peer(server.port, SECRET) as peer:
            assert peer.cancel("watch-1") == "cancelled"
            assert peer.cancel("watch-1") == "cancelled"
    assert queue.get("watch-1").state == "cancelled"


def test_a_command_is_told_that_a_job_is_unknown(tmp_path) -> None:
    with (
        OscServer(
            CommandQueue(MemoryQueue()), SECRET, lambda request, job_id: job("x").spec, tmp_path, port=0
        ) as server,
        Peer(server.port, SECRET) as peer,
    ):
        assert peer.cancel("watch-1") == "unknown-job"


def test_a_command_has_a_job_done_again_and_a_device_has_not(tmp_path) -> None:
    queue = MemoryQueue()
    jobs = CommandQueue(queue)
    done = queue.submit("watch-1", "watch", job("x").spec)
    queue.move("watch-1", "ended", state="done")
    with OscServer(jobs, SECRET, partial(jobs.spec, of_device=to_spec), tmp_path, port=0) as server:
        with Peer(server.port, SECRET) as peer:
            again = queue.get(peer.again("watch-1"))
            assert (again.spec, again.origin, again.state) == (done.spec, "command", "queued")
            assert peer.again("watch-1") != again.id, "each time it is asked"
            with pytest.raises(BridgeError, match="no such job"):
                peer.again("watch-2")
        with Device(server.port) as device:
            device.open()
            device.request("again-1", again="watch-1")
            device.expect("job/accepted")
            assert queue.jobs(1)[0].spec != done.spec
    assert len(queue.submissions) == 4


def test_without_a_daemon_a_job_is_done_again_at_its_next_start(command, store) -> None:
    store.add(job("watch-1", state="done", result="/out/a song", ended_s=1_700_000_009.0))
    run = command("jobs", "again", "watch-1")
    assert (run.code, run.err) == (0, "")
    again, first = store.recent(5)
    assert (again.spec, again.origin, again.state, again.id) == (first.spec, "command", "queued", run.out.split()[0])


def test_what_others_send_to_a_command_is_no_answer() -> None:
    with contextlib.ExitStack() as opened:
        daemon, stranger = (opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(2))
        for end in (daemon, stranger):
            end.bind(("127.0.0.1", 0))
        peer = Peer(daemon.getsockname()[1], SECRET, timeout_s=1.0)
        welcome = partial(encode, "welcome", json="{}")

        def answer() -> None:
            hello = json.loads(decode(daemon.recv(2048)).text("json"))
            to = ("127.0.0.1", hello["rx"])
            stranger.sendto(welcome(token=hello["token"]), to)
            daemon.sendto(welcome(token="x" * 32), to)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(NoAnswer, match="does not answer"), peer:
            pass
        thread.join()


def test_only_a_daemon_of_the_same_user_answers(tmp_path) -> None:
    with OscServer(MemoryQueue(), SECRET, lambda request, job_id: job("x").spec, tmp_path, port=0) as server:
        assert answers(server.port, SECRET)
        assert not answers(server.port, "another-secret-0123", timeout_s=0.5)
    assert not answers(server.port, SECRET, timeout_s=0.1)


def test_names_that_are_no_text_are_shown(command, store) -> None:
    if os.name == "nt":
        pytest.skip("names are text there")
    name = os.fsdecode(b"/music/\xff.wav")
    store.add(job("watch-1", spec=JobSpec(source=name, out_dir="/out", options=Options())))
    run = command("jobs")
    assert run.code == 0
    assert "\\udcff.wav" in run.out
    assert json.loads(command("jobs", "list", "--json").out)["spec"]["source"] == name
