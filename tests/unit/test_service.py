"""Starting at login: what is written for each system, and which commands are run."""

import os
import plistlib
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bridge import service
from bridge.daemon import STOP_WITHIN_S
from bridge.errors import BridgeError, InvalidRequest, OutputUnwritable
from bridge.instance import AlreadyRunning
from bridge.jobs.refusals import StoreLocked, StoreUnusable, StoreUnwritable
from bridge.service import ServiceUnavailable, install, plan_here, run_command, status, uninstall
from bridge.service_plans import (
    HOPELESS_CODE,
    UNIT,
    Answer,
    Launch,
    launchd_plan,
    launchd_plist,
    systemd_plan,
    systemd_unit,
    task_xml,
)

ODD = '/opt/my tools/100%h $HOME/python "3"'
COMMAND = ("/opt/my tools/python3", "-P", "-m", "bridge", "serve")
FOLDERS = {"STEMBRIDGE_DATA_DIR": "/data/a b"}


def launch(**changes) -> Launch:
    return Launch(**{"command": COMMAND, "log_file": Path("/data/logs/service.log"), "environment": FOLDERS} | changes)


class System:
    """Answers commands as a system would in which they all succeed, but for those that begin with `refused`."""

    def __init__(self, refused: tuple[str, ...] = (), text: str = "") -> None:
        self.ran: list[tuple[str, ...]] = []
        self._refused, self._text = refused, text

    def __call__(self, command: tuple[str, ...]) -> Answer:
        self.ran.append(command)
        is_refused = bool(self._refused) and command[: len(self._refused)] == self._refused
        return Answer(1, "no such luck") if is_refused else Answer(0, self._text)


def test_the_systemd_unit_starts_the_interpreter_and_restarts_it_on_failure() -> None:
    lines = systemd_unit(launch()).splitlines()
    assert 'ExecStart=:"/opt/my tools/python3" "-P" "-m" "bridge" "serve"' in lines
    assert 'Environment="STEMBRIDGE_DATA_DIR=/data/a b"' in lines
    assert {"Restart=on-failure", "RestartPreventExitStatus=2", "WantedBy=default.target"} <= set(lines)


def test_systemd_asks_the_daemon_alone_to_end_and_leaves_it_the_time_it_needs() -> None:
    lines = systemd_unit(launch()).splitlines()
    assert "KillMode=mixed" in lines
    [timeout] = [line for line in lines if line.startswith("TimeoutStopSec=")]
    assert int(timeout.partition("=")[2]) > STOP_WITHIN_S


def test_what_trying_again_does_not_change_ends_with_the_code_after_which_it_isnt_started_again() -> None:
    hopeless = [AlreadyRunning, InvalidRequest]
    may_pass = [BridgeError, OutputUnwritable, StoreLocked, StoreUnwritable, StoreUnusable]
    assert {error.exit_code for error in hopeless} == {HOPELESS_CODE}
    assert HOPELESS_CODE not in {error.exit_code for error in may_pass}
    assert f"RestartPreventExitStatus={HOPELESS_CODE}" in systemd_unit(launch()).splitlines()


def test_the_systemd_unit_quotes_what_systemd_would_expand() -> None:
    unit = systemd_unit(launch(command=("/usr/bin/python3", 'a "b" \\c %h $HOME\n')))
    assert r'ExecStart=:"/usr/bin/python3" "a \"b\" \\c %%h $HOME\n"' in unit.splitlines()


@pytest.mark.parametrize("folder", ["a b", "100%h $HOME", 'O\'Brien "x"'], ids=["spaces", "specifiers", "quotes"])
def test_systemd_itself_accepts_the_unit(tmp_path, folder) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze here")
    program = tmp_path / folder / "python3"
    program.parent.mkdir()
    program.symlink_to(sys.executable)
    unit = tmp_path / UNIT
    unit.write_text(systemd_unit(launch(command=(str(program), *COMMAND[1:]))))
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--user", unit],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_launch_agent_runs_at_login_and_after_a_failure_and_says_where_it_logs() -> None:
    read = plistlib.loads(launchd_plist(launch(command=(ODD, "-m", "bridge"))))
    assert read["ProgramArguments"] == [ODD, "-m", "bridge"]
    assert read["RunAtLoad"] is True
    assert read["KeepAlive"] == {"SuccessfulExit": False}
    assert read["StandardErrorPath"] == "/data/logs/service.log"
    assert read["EnvironmentVariables"] == FOLDERS


def test_the_windows_task_runs_without_a_window_for_the_user_alone_and_has_no_time_limit() -> None:
    program = r"C:\Program Files\Python & Co\python.exe"
    text = task_xml(launch(command=(program, "-m", "bridge", "a b")), r"PC\Zoë").decode("utf-16")
    task = ElementTree.fromstring(text)
    values = {element.tag.rpartition("}")[2]: element.text for element in task.iter()}
    assert values["Command"] == r"C:\Program Files\Python & Co\pythonw.exe"
    assert values["Arguments"] == '-m bridge "a b"'
    assert values["UserId"] == r"PC\Zoë"
    assert (values["ExecutionTimeLimit"], values["RunLevel"]) == ("PT0S", "LeastPrivilege")
    assert (values["Interval"], values["Count"]) == ("PT1M", "3")
    assert task.tag == "{http://schemas.microsoft.com/windows/2004/02/mit/task}Task"


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_every_system_starts_this_interpreter_with_the_folders_that_the_user_moved(tmp_path, platform) -> None:
    environ = {"STEMBRIDGE_DATA_DIR": "/moved", "PATH": "/bin", "USERNAME": "zoe"}
    plan = plan_here(tmp_path, platform=platform, executable="/here/python", environ=environ, home=tmp_path)
    encoding = "utf-16" if platform == "win32" else "utf-8"
    content = plan.content.decode(encoding)
    assert "/here/python" in content
    assert "PATH=" not in content
    assert ("/moved" in content) == (platform != "win32")  # a task has the user's own environment


def test_an_interpreter_that_does_not_know_its_path_is_said(tmp_path) -> None:
    with pytest.raises(ServiceUnavailable, match="stembridge serve"):
        plan_here(tmp_path, platform="linux", executable="")


def test_installing_writes_the_file_then_has_systemd_read_enable_and_start_it(tmp_path) -> None:
    system = System()
    plan = systemd_plan(launch(), tmp_path)
    said = install(plan, system)
    assert plan.file.read_bytes() == plan.content
    assert [command[2] for command in system.ran] == ["show-environment", "daemon-reload", "enable", "restart"]
    assert str(plan.file) in said


def test_installing_twice_replaces_the_file(tmp_path) -> None:
    install(systemd_plan(launch(), tmp_path), System())
    plan = systemd_plan(launch(command=("/other/python",)), tmp_path)
    install(plan, System())
    assert plan.file.read_bytes() == plan.content
    assert list(plan.file.parent.iterdir()) == [plan.file]


def test_without_systemd_nothing_is_written_and_the_user_is_told_what_to_do(tmp_path) -> None:
    plan = systemd_plan(launch(), tmp_path)
    with pytest.raises(ServiceUnavailable, match="no systemd here; start it with: stembridge serve"):
        install(plan, System(refused=plan.probe))
    assert not plan.file.exists()
    assert status(plan, System(refused=plan.probe)).text == "no systemd here; start it with: stembridge serve"


def test_a_refusal_is_told_with_the_command_that_was_refused(tmp_path) -> None:
    plan = systemd_plan(launch(), tmp_path)
    with pytest.raises(ServiceUnavailable, match=r"systemctl --user enable .*no such luck"):
        install(plan, System(refused=("systemctl", "--user", "enable")))


def test_a_folder_that_cannot_be_made_is_told(tmp_path) -> None:
    (tmp_path / "systemd").write_text("in the way")
    with pytest.raises(OutputUnwritable, match=r"cannot write .*stembridge\.service"):
        install(systemd_plan(launch(), tmp_path), System())


def test_uninstalling_stops_and_removes_it(tmp_path) -> None:
    system = System(text="UnitFileState=enabled\nActiveState=active\n")
    plan = systemd_plan(launch(), tmp_path)
    install(plan, system)
    assert "any more" in uninstall(plan, system)
    assert not plan.file.exists()
    assert ("systemctl", "--user", "disable", "--now", UNIT) in system.ran


def test_uninstalling_what_is_not_there_changes_nothing(tmp_path) -> None:
    system = System()
    assert "nothing to remove" in uninstall(systemd_plan(launch(), tmp_path), system)
    assert not [command for command in system.ran if "disable" in command]


@pytest.mark.parametrize(
    "shown, enabled, running, words",
    [
        ("UnitFileState=enabled\nActiveState=active\nMainPID=77", True, True, "runs as process 77"),
        ("UnitFileState=enabled\nActiveState=failed\nResult=exit-code", True, False, "exit-code; see: journalctl"),
        ("UnitFileState=disabled\nActiveState=inactive", False, False, "does not start at login"),
    ],
    ids=["running", "failed", "disabled"],
)
def test_the_status_is_what_systemd_says(tmp_path, shown, enabled, running, words) -> None:
    plan = systemd_plan(launch(), tmp_path)
    install(plan, System())
    found = status(plan, System(text=shown))
    assert (found.installed, found.enabled, found.running) == (True, enabled, running)
    assert words in found.text


def test_an_agent_is_taken_down_before_its_file_is_replaced_and_has_a_place_for_its_log(tmp_path) -> None:
    system = System(refused=("launchctl", "bootout"))  # there is none yet
    plan = launchd_plan(launch(log_file=tmp_path / "logs" / "service.log"), tmp_path, 501)
    install(plan, system)
    assert [command[1] for command in system.ran] == ["bootout", "enable", "bootstrap"]
    assert system.ran[-1] == ("launchctl", "bootstrap", "gui/501", str(plan.file))
    assert (tmp_path / "logs").is_dir()
    assert status(plan, System(text="\tstate = running\n")).running


def test_a_task_is_handed_over_and_its_file_removed(tmp_path) -> None:
    plan = plan_here(tmp_path, platform="win32", executable="C:\\python.exe", environ={"USERNAME": "zoe"})
    seen = []

    def run(command: tuple[str, ...]) -> Answer:
        if "/Create" in command:
            seen.append(Path(command[command.index("/XML") + 1]).read_bytes())
        return Answer(0, '"\\Stembridge","N/A","Running"\n')

    install(plan, run)
    assert seen == [plan.content]
    assert not plan.file.exists()
    assert status(plan, run).running
    assert not status(plan, lambda command: Answer(1, "ERROR: not found")).installed


def test_a_program_that_is_not_there_is_an_answer_like_any_other(tmp_path) -> None:
    assert run_command((str(tmp_path / "nothing"),)).code == service.NO_PROGRAM
    assert run_command((sys.executable, "-c", "print('said')")) == Answer(0, "said\n")


def test_it_is_really_installed_queried_and_removed_where_systemd_is_there(tmp_path) -> None:
    plan = plan_here(tmp_path)
    if plan.probe is None or run_command(plan.probe).code != 0:
        pytest.skip("there is no systemd user instance here")
    if plan.file.exists():
        pytest.skip("the developer has installed the service")
    home = {f"STEMBRIDGE_{kind}_DIR": str(tmp_path / kind) for kind in ("CACHE", "CONFIG", "DATA")}
    # It must not take the developer's port, nor end before it was seen.
    sleeper = Launch((sys.executable, "-c", "import time; time.sleep(60)"), tmp_path / "log", home)
    plan = replace(plan, content=systemd_unit(sleeper).encode())
    try:
        install(plan, run_command)
        found = status(plan, run_command)
        assert (found.installed, found.enabled, found.running) == (True, True, True)
    finally:
        uninstall(plan, run_command)
    assert not status(plan, run_command).installed
