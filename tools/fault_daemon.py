"""Kill the daemon again and again while it works through a queue, and look what becomes of the jobs; then let it idle.

    python tools/fault_daemon.py [--kills 20] [--jobs 10] [--seed 1] [--minutes 1]

A device asks for some conversions at once. At random moments the daemon is killed as by a power cut (SIGKILL) and
started again, each time while the queue is at work. Every job must end exactly once, with a whole result. The daemon
runs from this checkout, in folders of its own. Needs Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from bridge.jobs.store import peek
from bridge.write import manifest as manifests
from tests.integration.daemon_support import DaemonProcess, SecretDevice, bass_line, clip_request
from tests.integration.osc_support import text

RATE = 22050
#: Between a start and the next kill, of which the start itself takes one.
SHORTEST_S, LONGEST_S = 1.5, 5.0
#: Length of the recordings. A conversion takes 2 to 6 s on two cores, so that few end between two kills, and ten of
#: them last longer than twenty kills; nothing is taken from the cache, since that would shorten what was cut off.
SHORTEST_SONG_S, LONGEST_SONG_S = 30.0, 90.0
#: All jobs together may take so long after the last kill.
PATIENCE_S = 300.0


@dataclass
class Told:
    """What the device was told of a job."""

    accepted: bool = False
    ends: Counter[str] = field(default_factory=Counter)
    insert: Path | None = None


class Queue:
    """The jobs, and what the device that asked for them was told."""

    def __init__(self, sources: list[tuple[Path, float]]) -> None:
        self.requests = {f"job-{number}": fresh(path, seconds) for number, (path, seconds) in enumerate(sources)}
        self.told = {job: Told() for job in self.requests}

    @property
    def is_over(self) -> bool:
        """Whether the device was told the end of each job."""
        return all(told.ends for told in self.told.values())

    def ask(self, device: SecretDevice) -> None:
        """Ask for what hasn't been accepted."""
        for job, request in self.requests.items():
            if not self.told[job].accepted and not self.told[job].ends:
                device.request(job, **request)

    def listen(self, device: SecretDevice, seconds: float) -> None:
        """Take in what comes within the time, or until all is over."""
        deadline_s = time.monotonic() + seconds
        while not self.is_over and (left_s := deadline_s - time.monotonic()) > 0:
            came = device.receive(left_s)
            if came is None or not came[0].startswith("job/") or came[1][0] not in self.told:
                continue
            name, (job, *values) = came
            told = self.told[job]
            told.accepted |= name == "job/accepted"
            if name in ("job/result", "job/error"):
                told.ends["result" if name == "job/result" else values[0]] += 1
                told.insert = Path(text(values[0])) if name == "job/result" else None
                device.send("job/resultack", job)


def main() -> None:
    asked = arguments()
    chance = random.Random(asked.seed)  # noqa: S311
    with tempfile.TemporaryDirectory(prefix="stembridge-faults-") as made:
        place = Path(made)
        home = {f"STEMBRIDGE_{kind}_DIR": str(place / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
        home = {**os.environ, **home, "OMP_NUM_THREADS": "1"}
        jobs = run_faults(asked, chance, place, home)
        problems = judge(jobs, place)
        idle(home, place, asked.minutes)
    print(f"\n{len(problems)} problems" + "".join(f"\n- {problem}" for problem in problems))
    sys.exit(bool(problems))


def fresh(path: Path, seconds: float) -> dict[str, Any]:
    """A request whose conversion takes its time each time."""
    request = clip_request(path, seconds, RATE)
    return {**request, "options": {**request["options"], "fresh": True}}


def run_faults(asked: argparse.Namespace, chance: random.Random, place: Path, home: dict[str, str]) -> Queue:
    """Kill until all kills are spent, then let the queue end."""
    sources = []
    for number in range(asked.jobs):
        seconds = chance.uniform(SHORTEST_SONG_S, LONGEST_SONG_S)
        sources.append((bass_line(place / f"line {number}.wav", seconds), seconds))
    jobs = Queue(sources)
    states: Counter[str] = Counter()
    for kill in range(asked.kills + 1):
        is_last = kill == asked.kills
        daemon = DaemonProcess(home, "--osc-port", "0", "--out", place / "out")
        try:
            with daemon.device() as device:
                jobs.ask(device)
                jobs.listen(device, PATIENCE_S if is_last else chance.uniform(SHORTEST_S, LONGEST_S))
            if is_last:
                code, took_s = daemon.end()
                print(f"the last daemon ended with code {code} within {took_s:.2f} s")
            else:
                now = states_of(daemon)
                states += Counter({state: 1 for state in now if state in ("running", "queued")})
                print(f"kill {kill + 1:>2}: {', '.join(f'{number} {state}' for state, number in now.items())}")
        finally:
            daemon.kill()
    print(f"kills while a job ran: {states['running']} of {asked.kills}")
    return jobs


def states_of(daemon: DaemonProcess) -> Counter[str]:
    with closing(sqlite3.connect(daemon.folder / "jobs.sqlite3")) as database:
        return Counter(state for (state,) in database.execute("SELECT state FROM jobs"))


def judge(jobs: Queue, place: Path) -> list[str]:
    """Print what became of each job; what is wrong with it."""
    kept = {job.id: job for job in peek(place / "data" / "daemon" / "jobs.sqlite3", 100_000)}
    problems = []
    print(f"\n{'job':<8} {'state':<9} {'attempts':>8}  {'told':<12} result")
    for name, told in jobs.told.items():
        [job] = [job for job_id, job in kept.items() if job_id.endswith(f"-{name}")]
        faults = whole_result(Path(job.result)) if job.result else ["there is no result"]
        if job.state != "done" or set(told.ends) != {"result"}:
            faults.append(f"it ended as {job.state} ({job.error_code}), told as {dict(told.ends)}")
        ends = ", ".join(told.ends) or "nothing"
        print(f"{name:<8} {job.state:<9} {job.attempts:>8}  {ends:<12} {'; '.join(faults) or 'whole'}")
        problems += [f"{name}: {fault}" for fault in faults]
    expected = {Path(job.result).name for job in kept.values() if job.result}
    left = {path.name for path in (place / "out").iterdir()} - expected
    if left:
        problems.append(f"left over in the output folder: {sorted(left)}")
    if len(kept) != len(jobs.told):
        problems.append(f"{len(kept)} jobs are known")
    return problems


def whole_result(folder: Path) -> list[str]:
    """What is missing in a result folder."""
    try:
        manifest = manifests.read(folder)
    except Exception as error:  # whatever it is, it is what is looked for
        return [f"its manifest can't be read: {error}"]
    missing = [file.path for file in manifest.files if not (folder / file.path).is_file()]
    insert = folder / "live" / "insert.json"
    try:
        json.loads(insert.read_text("ascii"))
    except (OSError, ValueError) as error:
        missing.append(f"insert.json ({error})")
    return [f"{name} is missing" for name in missing]


def idle(home: dict[str, str], place: Path, minutes: float) -> None:
    """Print what an idle daemon takes."""
    if minutes <= 0:
        return
    inbox = place / "inbox"
    inbox.mkdir()
    daemon = DaemonProcess(home, "--osc-port", "0", "--out", place / "out", "--watch", inbox)
    proc = Path(f"/proc/{daemon.process.pid}")
    try:
        time.sleep(3.0)
        begin_s, cpu_before_s, before = time.monotonic(), cpu_s(proc), facts(proc)
        time.sleep(60.0 * minutes)
        took_s, after = time.monotonic() - begin_s, facts(proc)
        print(
            f"\nidle for {took_s:.0f} s: CPU {100 * (cpu_s(proc) - cpu_before_s) / took_s:.3f} %, "
            f"RSS {before['rss_mb']:.1f} -> {after['rss_mb']:.1f} MB, handles {before['handles']:.0f} -> "
            f"{after['handles']:.0f}, threads {before['threads']:.0f} -> {after['threads']:.0f}"
        )
    finally:
        daemon.end()


def cpu_s(proc: Path) -> float:
    """Processor time that a process has taken (fields 14 and 15 of its stat, man proc)."""
    fields = (proc / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def facts(proc: Path) -> dict[str, float]:
    lines = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
    return {
        "rss_mb": int(lines["VmRSS"].split()[0]) / 1024,
        "threads": int(lines["Threads"]),
        "handles": len(list((proc / "fd").iterdir())),
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20, help="how often the daemon is killed")
    parser.add_argument("--jobs", type=int, default=10, help="jobs in a queue")
    parser.add_argument("--seed", type=int, default=1, help="of the random moments")
    parser.add_argument("--minutes", type=float, default=1.0, help="how long it idles; 0: not at all")
    return parser.parse_args()


if __name__ == "__main__":
    main()
