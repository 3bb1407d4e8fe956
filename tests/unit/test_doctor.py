"""What the doctor finds on machines where something is wrong."""

import errno
import json
import os
import socket
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from bridge import doctor
from bridge.doctor import CHECKS, Finding, Running, Scene, examine
from bridge.doctor_probe import probed
from bridge.jobs.model import Job, JobSpec
from bridge.jobs.store import JobStore
from bridge.service_plans import Answer, Launch, systemd_plan


def scene(tmp_path: Path, **changes) -> Scene:
    """A machine on which everything is well and no daemon runs."""
    for name in ("data", "config", "cache"):
        (tmp_path / name).mkdir(exist_ok=True)
    usual = {
        "data_dir": tmp_path / "data",
        "config_dir": tmp_path / "config",
        "cache_dir": tmp_path / "cache",
        "database": tmp_path / "data" / "jobs.sqlite3",
        "secret": tmp_path / "data" / "secret",
        "log_file": tmp_path / "data" / "log",
        "osc_port": 0,
        "settings_file": tmp_path / "config" / "config.toml",
        "find_daemon": lambda: None,
        "run": lambda command: Answer(1, ""),
    }
    return Scene(**usual | changes)


def found(check: str, looked_at: Scene) -> list[Finding]:
    return list(examine(looked_at, {check: CHECKS[check]}))


def only(check: str, looked_at: Scene) -> Finding:
    [finding] = found(check, looked_at)
    return finding


def test_nothing_fails_where_all_is_well(tmp_path) -> None:
    quick = {name: check for name, check in CHECKS.items() if name not in {"Libraries", "Decoders", "MIDI"}}
    findings = list(examine(scene(tmp_path), quick))
    assert {finding.verdict for finding in findings} <= {"ok", "warn"}
    assert all(finding.mend for finding in findings if finding.verdict != "ok")


def test_a_check_that_breaks_is_a_finding_and_the_others_go_on(tmp_path) -> None:
    def broken(looked_at: Scene) -> list[Finding]:
        raise RuntimeError("no such\nthing")

    findings = list(examine(scene(tmp_path), {"First": broken, "Python": CHECKS["Python"]}))
    assert [(finding.name, finding.verdict) for finding in findings] == [("First", "fail"), ("Python", "ok")]
    assert "RuntimeError: no such thing" in findings[0].text


def test_an_old_python_is_said(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(doctor, "PYTHONS", ((3, 98), (3, 100)))
    finding = only("Python", scene(tmp_path))
    assert (finding.verdict, finding.mend) == ("fail", "use Python 3.98 to 3.99")


def test_wrong_settings_are_said_with_the_file_to_correct(tmp_path) -> None:
    looked_at = scene(tmp_path, settings_problem="there is no setting osc_prot")
    finding = only("Settings", looked_at)
    assert finding.verdict == "fail"
    assert str(looked_at.settings_file) in finding.mend


def test_folders_that_are_to_be_made_are_judged_by_where(tmp_path) -> None:
    looked_at = scene(tmp_path, out_dirs=(tmp_path / "not" / "there yet",))
    assert {finding.verdict for finding in found("Folders", looked_at)} == {"ok"}
    assert not (tmp_path / "not").exists()


def test_a_file_in_the_place_of_a_folder_is_said(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    findings = found("Folders", scene(tmp_path, out_dirs=(tmp_path / "file" / "out",)))
    assert [finding.name for finding in findings if finding.verdict == "fail"] == ["Folder of results"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="whoever may do everything is refused nothing")
def test_a_folder_that_cannot_be_written_to_is_said(tmp_path) -> None:
    looked_at = scene(tmp_path)
    looked_at.cache_dir.chmod(0o500)
    assert "chmod u+rwx" in next(it.mend for it in found("Folders", looked_at) if it.verdict == "fail")


@pytest.mark.parametrize("free, verdict", [(10**8, "fail"), (10**9, "warn"), (10**11, "ok")])
def test_little_space_is_said(tmp_path, monkeypatch, free, verdict) -> None:
    usage = type("Usage", (), {"free": free})
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: usage)
    assert {finding.verdict for finding in found("Folders", scene(tmp_path))} == {verdict}


def test_a_watched_folder_that_is_gone_is_said(tmp_path) -> None:
    findings = found("Watched folders", scene(tmp_path, watched=(tmp_path, tmp_path / "gone")))
    assert [finding.verdict for finding in findings] == ["ok", "fail"]


@pytest.mark.skipif(os.name == "nt", reason="there are no such permissions there")
@pytest.mark.parametrize("mode, verdict", [(0o600, "ok"), (0o640, "fail"), (0o604, "fail")])
def test_a_secret_that_others_can_read_is_said(tmp_path, mode, verdict) -> None:
    looked_at = scene(tmp_path)
    looked_at.secret.write_text("secret")
    looked_at.secret.chmod(mode)
    assert only("Secret", looked_at).verdict == verdict


def test_the_list_of_jobs_is_counted(tmp_path) -> None:
    looked_at = scene(tmp_path)
    with JobStore(looked_at.database) as store:
        store.add(Job(id="a", origin="watch", priority=20, spec=JobSpec(source="/a", out_dir="/out")))
        assert "1 known, 1 of them not done yet" in only("Jobs", looked_at).text


def test_a_corrupt_list_of_jobs_is_said_and_left_as_it_is(tmp_path) -> None:
    looked_at = scene(tmp_path)
    looked_at.database.write_bytes(b"no database" * 1000)
    finding = only("Jobs", looked_at)
    assert (finding.verdict, finding.text.count(str(looked_at.database))) == ("fail", 1)
    assert "stembridge serve" in finding.mend
    assert looked_at.database.read_bytes() == b"no database" * 1000


def test_a_list_of_jobs_whose_inside_is_damaged_is_said_too(tmp_path) -> None:
    looked_at = scene(tmp_path)
    with JobStore(looked_at.database) as store:
        for number in range(100):
            store.add(Job(id=f"{number}", origin="watch", priority=20, spec=JobSpec(source="/a", out_dir="/out")))
    data = bytearray(looked_at.database.read_bytes())
    for page in range(4, len(data) // 4096):
        data[page * 4096 : page * 4096 + 4096] = b"\xff" * 4096
    looked_at.database.write_bytes(data)
    finding = only("Jobs", looked_at)
    assert (finding.verdict, finding.text.count(str(looked_at.database))) == ("fail", 1)
    assert "stembridge serve" in finding.mend


@pytest.mark.parametrize("data", [b"", None], ids=["empty", "without tables"])
def test_a_list_of_jobs_that_was_never_begun_is_none_yet(tmp_path, data) -> None:
    looked_at = scene(tmp_path)
    if data is None:
        with closing(sqlite3.connect(looked_at.database)) as database:
            database.execute("PRAGMA journal_mode = WAL")
    else:
        looked_at.database.write_bytes(data)
    assert only("Jobs", looked_at).verdict == "ok"


def test_a_folder_that_may_not_be_looked_into_is_mended_where_it_is_closed(tmp_path, monkeypatch) -> None:
    closed, stat = tmp_path / "closed", Path.stat
    closed.mkdir()

    def denied(self, **options):
        if closed in self.parents:
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return stat(self, **options)

    monkeypatch.setattr(Path, "stat", denied)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != closed)
    findings = found("Folders", scene(tmp_path, out_dirs=(closed / "deeper" / "out",)))
    [refused] = [finding for finding in findings if finding.verdict == "fail"]
    assert f"{closed} can't be written to" in refused.text
    assert str(closed) in refused.mend


def test_what_may_not_be_read_is_not_mended_by_installing_again(tmp_path) -> None:
    def denied(looked_at: Scene) -> list[Finding]:
        raise PermissionError(errno.EACCES, "Permission denied", "/closed/secret")

    [finding] = examine(scene(tmp_path), {"Secret": denied})
    assert finding.mend == "make it readable for you: /closed/secret"


def test_a_drive_that_is_not_there_is_said(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(doctor, "nearest", lambda folder: None)
    assert {finding.verdict for finding in found("Folders", scene(tmp_path))} == {"fail"}


def test_a_list_that_was_set_aside_is_said(tmp_path) -> None:
    looked_at = scene(tmp_path)
    for suffix in ("", "-wal"):
        looked_at.database.with_name(f"jobs.sqlite3.corrupt-20260101-000000{suffix}").touch()
    findings = found("Jobs", looked_at)
    assert [finding.verdict for finding in findings] == ["warn", "ok"]


@pytest.mark.parametrize(
    "running, verdicts",
    [
        (Running(77, 17900, answers=True), ["ok"]),
        (Running(77, 17901, answers=True), ["ok", "warn"]),
        (Running(77, 17900, answers=False), ["fail"]),
    ],
    ids=["answers", "at another port", "is silent"],
)
def test_a_daemon_that_runs_is_judged_by_whether_it_answers(tmp_path, running, verdicts) -> None:
    findings = found("Daemon", scene(tmp_path, osc_port=17900, find_daemon=lambda: running))
    assert [finding.verdict for finding in findings] == verdicts


def test_a_port_that_another_program_holds_is_said(tmp_path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        findings = found("Daemon", scene(tmp_path, osc_port=port))
    assert [(finding.name, finding.verdict) for finding in findings] == [("Daemon", "warn"), ("OSC port", "fail")]
    assert f"UDP port {port} is taken" in findings[1].text
    assert "give another port" in findings[1].mend
    assert [it.verdict for it in found("Daemon", scene(tmp_path, osc_port=port))] == ["warn", "ok"], "it is free again"


def test_damaged_weights_are_told_from_missing_ones(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("STEMBRIDGE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.delenv("STEMBRIDGE_MODELS_DIR", raising=False)
    assert [it.verdict for it in found("Weights", scene(tmp_path))] == ["warn"]
    (tmp_path / "data" / "models" / "htdemucs").mkdir(parents=True)
    assert found("Weights", scene(tmp_path))[0].mend == "stembridge models download htdemucs"


def test_a_service_that_does_not_start_is_said(tmp_path) -> None:
    launch = Launch((sys.executable,), tmp_path / "log")
    plan = systemd_plan(launch, tmp_path)
    assert only("Service", scene(tmp_path, plan=plan)).verdict == "ok", "nobody asked for one"
    plan.file.parent.mkdir(parents=True)
    plan.file.touch()
    disabled = scene(tmp_path, plan=plan, run=lambda command: Answer(0, "UnitFileState=disabled\n"))
    assert only("Service", disabled).mend == "stembridge service install"


def test_a_library_that_is_missing_or_kills_its_process_does_not_hide_the_others(tmp_path, monkeypatch) -> None:
    (tmp_path / "crashes.py").write_text("import os; print('noise'); os._exit(7)")
    (tmp_path / "raises.py").write_text("raise OSError('no library\\nlibfoo.so')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    lines = {line["name"]: line for line in probed("libraries", "raises", "crashes", "click")}
    assert lines["raises"]["error"] == "OSError: no library libfoo.so"
    assert lines["crashes"]["error"] == "it ends the process with code 7"
    assert "error" not in lines["click"]


def test_findings_are_json(tmp_path) -> None:
    import dataclasses

    assert json.loads(json.dumps([dataclasses.asdict(it) for it in found("Python", scene(tmp_path))]))
