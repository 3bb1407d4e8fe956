"""Watched folders: what is put into them is converted by itself, once.

One thread does it all: it hears from the observers (`bridge.inputs.observe`) that something may be new, waits until it
has settled (`bridge.inputs.settle`), looks it up in the ledger and hands it to the queue. It sleeps whenever nothing is
due.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from bridge.errors import AudioUnreadable, BridgeError, InvalidRequest
from bridge.inputs.headers import Header, has_audio_ending, look_at
from bridge.inputs.ledger import Ledger
from bridge.inputs.notes import leave_note, remove_note
from bridge.inputs.observe import FolderEye
from bridge.inputs.places import WatchedFolder, candidates, is_of_interest, lies_in_result
from bridge.inputs.settle import PATIENCE_S, SETTLE_S, Settling, Signature, signature_of

_log = logging.getLogger(__name__)

#: How often a folder is checked for having gone or come back (s): one look at the folder itself.
HEALTH_S = 5.0
#: How often everything in a folder is looked at again (s), for what no observer told: a link's file that appeared, or
#: events that were lost because too many came at once.
RESCAN_S = 300.0
#: How long to wait before trying again what may get better by itself: a full queue, a file that is in use (s).
RETRY_S = 30.0
#: A file that can't be opened so often gets a note; other programs hold files for seconds, not minutes.
_ATTEMPTS = 3
#: Read at once when hashing: a few milliseconds of work between two looks at whether to stop.
_HASH_BYTES = 1 << 20

Submit = Callable[[WatchedFolder, Path], str]


@dataclass(slots=True)
class _Watch:
    """One watched folder at work."""

    folder: WatchedFolder
    eye: FolderEye
    settling: Settling
    problem: str = ""
    next_health: float = 0.0
    next_scan: float = 0.0
    failures: dict[Path, int] = field(default_factory=dict)


class _Stopped(Exception):
    """The watcher is being stopped."""


class FolderWatcher:
    """Watches folders from `start` to `stop`; a context manager.

    Parameters
    ----------
    folders
        What to watch.
    submit
        Hands a recording to the queue and gives the job's id. Where it raises `InvalidRequest` or `AudioUnreadable` the
        recording gets a note; after anything else (the queue is full) it is tried again.
    ledger
        What was converted before; the watcher doesn't close it.
    clock
        Seconds from any start, never backwards.
    catch_up
        Called before anything is looked at, and again after a while if it raises: learns what became of earlier jobs.
    refused
        Told of each recording that could not become a job, and why.
    settle_s, patience_s, retry_s
        See `SETTLE_S`, `PATIENCE_S` and `RETRY_S`.
    """

    def __init__(
        self,
        folders: Sequence[WatchedFolder],
        submit: Submit,
        ledger: Ledger,
        clock: Callable[[], float] = time.monotonic,
        *,
        catch_up: Callable[[], None] = lambda: None,
        refused: Callable[[Path, str], None] = lambda path, reason: None,
        settle_s: float = SETTLE_S,
        patience_s: float = PATIENCE_S,
        retry_s: float = RETRY_S,
    ) -> None:
        self._submit = submit
        self._ledger = ledger
        self._clock = clock
        self._catch_up = catch_up
        self._refused = refused
        self._is_caught_up = False
        self._complaint = ""
        self._patience_s = patience_s
        self._retry_s = retry_s
        self._changed = threading.Condition()
        self._stopping = False
        self._news: dict[tuple[int, Path], None] = {}  # which watch, where: in order, each once
        self._ends: list[tuple[str, bool, str, float | None]] = []
        self._again: list[tuple[float, str, list[Path]]] = []  # when, after which job, where
        self._watches = [self._watch(index, folder, settle_s) for index, folder in enumerate(folders)]
        self._thread = threading.Thread(target=self._run, name="watched-folders", daemon=True)

    def _watch(self, index: int, folder: WatchedFolder, settle_s: float) -> _Watch:
        def tell(path: Path) -> None:
            with self._changed:
                self._news[(index, path)] = None
                self._changed.notify()

        eye = FolderEye(folder.folder, recursive=folder.recursive, polling=folder.polling, tell=tell)
        return _Watch(folder, eye, Settling(settle_s))

    def __enter__(self) -> FolderWatcher:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin: what is in the folders and wasn't converted yet is found first."""
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Watch no more. What was not handed to the queue yet is found at the next start."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.ident is None:
            self._close_eyes()
        else:
            self._thread.join(timeout_s)

    def ended(self, job_id: str, ok: bool, error_text: str = "", again_s: float | None = None) -> None:
        """A job ended, of whatever origin. May be called from any thread, and more than once.

        With `again_s`, its recording is tried again after so many seconds, though it hasn't changed.
        """
        with self._changed:
            self._ends.append((job_id, ok, error_text, again_s))
            self._changed.notify()

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._round()
        finally:
            self._close_eyes()

    def _close_eyes(self) -> None:
        for watch in self._watches:
            watch.eye.close()

    def _round(self) -> None:
        """Do what is due, then sleep until something is."""
        try:
            wait_s = self.step() - self._clock()
        except _Stopped:
            return
        except Exception as error:  # whatever it was (a locked ledger), nothing is lost, and it may be better soon
            self._complain(error)
            with self._changed:
                self._changed.wait_for(lambda: self._stopping, self._retry_s)
            return
        self._complaint = ""
        with self._changed:
            if not (self._stopping or self._news or self._ends):
                self._changed.wait(max(0.0, wait_s))

    def _complain(self, error: Exception) -> None:
        """Log what went wrong; once, though it may go wrong for weeks."""
        complaint = f"{type(error).__name__}: {error}"
        if complaint != self._complaint:
            facts = None if isinstance(error, BridgeError) else error
            _log.warning("watched folders wait (%s); trying every %g s", error, self._retry_s, exc_info=facts)
        self._complaint = complaint

    def step(self) -> float:
        """Do what is due now, without waiting; gives the time at which something will be. The thread calls it."""
        self._take_in()
        self._try_again()
        for watch in self._watches:
            self._look_after(watch)
        looks = [look for watch in self._watches if (look := watch.settling.next_look()) is not None]
        rounds = [min(watch.next_health, watch.next_scan) for watch in self._watches]
        again = [at for at, _, _ in self._again]
        return min(looks + rounds + again, default=self._clock() + HEALTH_S)

    def _take_in(self) -> None:
        """Hear what others told; what goes wrong is heard again the next time."""
        now = self._clock()
        if not self._is_caught_up:
            self._catch_up()
            self._is_caught_up = True
        while self._ends:
            self._note_end(*self._ends[0])
            del self._ends[0]
        while (heard := self._next_news()) is not None:
            try:
                self._hear(self._watches[heard[0]], heard[1], now)
            except BaseException:
                with self._changed:
                    self._news[heard] = None
                raise

    def _next_news(self) -> tuple[int, Path] | None:
        """The earliest place of which something was heard; it is then no longer kept."""
        with self._changed:
            heard = next(iter(self._news), None)
            if heard is not None:
                del self._news[heard]
            return heard

    def _note_end(self, job_id: str, ok: bool, error_text: str, again_s: float | None) -> None:
        paths = self._ledger.ended(job_id, "done" if ok else "failed")
        for path in paths:
            if ok:
                remove_note(path)
            elif path.exists():
                leave_note(path, error_text or "it did not end well; the log says more", again_s=again_s)
        if paths and again_s is not None:
            self._again.append((self._clock() + again_s, job_id, paths))

    def _try_again(self) -> None:
        """Take up what failed for a reason that may have passed, where that is due."""
        now = self._clock()
        for due in [it for it in self._again if it[0] <= now]:
            _, job_id, paths = due
            self._ledger.forget_job(job_id)
            self._again.remove(due)
            for watch in self._watches:
                for path in paths:
                    if is_of_interest(watch.folder, path):
                        watch.settling.touched(path, now)

    def _refuse(self, path: Path, reason: str) -> None:
        """Say that a recording can't be converted as it is."""
        leave_note(path, reason)
        self._refused(path, reason)

    def _hear(self, watch: _Watch, path: Path, now: float) -> None:
        """Something happened at a path."""
        if not is_of_interest(watch.folder, path):
            return
        if path.is_dir():
            # What is in a folder that was moved here is told of only by some systems; links to folders aren't followed.
            if watch.folder.recursive and not path.is_symlink():
                self._scan(watch, path, now)
        elif path.exists() or path.is_symlink():
            watch.settling.touched(path, now)
        elif has_audio_ending(path):
            remove_note(path)

    def _look_after(self, watch: _Watch) -> None:
        """Check a folder where that is due, and take what has settled in it."""
        now = self._clock()
        if now >= watch.next_health:
            watch.next_health = now + HEALTH_S
            self._check(watch, now)
        if now >= watch.next_scan:
            if not watch.problem:
                self._scan_all(watch, now)
            watch.next_scan = now + RESCAN_S  # last: what was broken off begins anew
        while not self._stopping:
            try:
                settled = watch.settling.settled(self._clock())
            except OSError as error:
                self._could_not_read(watch, Path(error.filename), error)
                continue
            if settled is None:
                return
            self._take_or_put_off(watch, *settled)

    def _check(self, watch: _Watch, now: float) -> None:
        """See whether the folder is there, and the same as before."""
        try:
            is_new = watch.eye.look()
        except OSError as error:
            problem = f"{watch.folder.folder} cannot be watched: {error.strerror or error}"
            if problem != watch.problem:
                _log.warning("%s; trying again every %g s", problem, HEALTH_S)
            watch.problem = problem
            return
        if is_new:
            _log.info("watching %s", watch.folder.folder)
            watch.next_scan = now
        watch.problem = ""

    def _scan_all(self, watch: _Watch, now: float) -> None:
        """Find what is new in the whole folder, and forget what is gone from there."""
        seen, is_whole = self._scan(watch, watch.folder.folder, now)
        if is_whole:
            self._ledger.forget_others(watch.folder.scope, watch.folder.folder, seen)

    def _scan(self, watch: _Watch, start: Path, now: float) -> tuple[set[Path], bool]:
        """Find what is new in a folder, without opening anything; what is there, and whether that is all of it."""
        seen: set[Path] = set()
        unread: list[OSError] = []
        for path in candidates(watch.folder, start, unread.append):
            if self._stopping:
                raise _Stopped
            seen.add(path)
            if not self._is_known(watch, path):
                watch.settling.touched(path, now)
        for error in unread:
            _log.warning("cannot read the folder %s: %s", error.filename, error.strerror)
        return seen, not unread

    def _is_known(self, watch: _Watch, path: Path) -> bool:
        try:
            signature = signature_of(path)
        except OSError:
            return False  # whoever looks at it next says so
        if signature is None:
            return True  # no file, or a link that leads nowhere yet
        scope = watch.folder.scope
        sha256 = self._ledger.sha256_of(scope, path, signature)
        return sha256 == "" or (sha256 is not None and self._ledger.entry(scope, sha256) is not None)

    def _take_or_put_off(self, watch: _Watch, path: Path, signature: Signature, since: float) -> None:
        """Take a file that has settled, or look at it again later."""
        try:
            next_look = self._take(watch, path, signature, since)
        except (InvalidRequest, AudioUnreadable) as error:
            self._refuse(path, str(error))
            return
        except OSError as error:
            self._could_not_read(watch, path, error)
            return
        except BridgeError as error:
            _log.info("%s waits: %s", path, error)
            next_look = self._clock() + self._retry_s
        except BaseException:
            watch.settling.wait_on(path, signature, since, self._clock() + self._retry_s)
            raise
        watch.failures.pop(path, None)
        if next_look is not None:
            watch.settling.wait_on(path, signature, since, next_look)

    def _take(self, watch: _Watch, path: Path, signature: Signature, since: float) -> float | None:
        """Hand a file to the queue unless that was done before; when to look again, where it isn't finished."""
        scope = watch.folder.scope
        if signature.size == 0 or self._is_known(watch, path) or lies_in_result(watch.folder, path):
            return None
        header = look_at(path)
        if header is Header.PARTIAL and self._clock() - since < self._patience_s:
            return since + self._patience_s
        if header is Header.OTHER:
            if has_audio_ending(path):
                self._refuse(path, "It is not audio, whatever its name says. Export it again, as WAV or FLAC.")
            self._ledger.looked_at(scope, path, signature, "")
            return None
        sha256 = self._ledger.sha256_of(scope, path, signature) or self._hash(path)
        if signature_of(path) != signature:
            return self._clock()  # it changed while it was read
        self._hand_over(watch, path, signature, sha256)
        return None

    def _hand_over(self, watch: _Watch, path: Path, signature: Signature, sha256: str) -> None:
        """Submit a recording, unless its content was converted before."""
        scope = watch.folder.scope
        entry = self._ledger.entry(scope, sha256)
        if entry is None or entry.state == "failed":
            try:
                job_id = self._submit(watch.folder, path)
            except (InvalidRequest, AudioUnreadable):
                self._ledger.refused(scope, sha256, path)
                self._ledger.looked_at(scope, path, signature, sha256)
                raise
            self._ledger.submitted(scope, sha256, job_id, path)
            _log.info("%s is job %s", path, job_id)
        elif entry.state == "done":
            remove_note(path)  # of what it held before
        # Last: after a crash before this the file is looked at again.
        self._ledger.looked_at(scope, path, signature, sha256)

    def _hash(self, path: Path) -> str:
        """Hex SHA-256 of a file."""
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(_HASH_BYTES):
                if self._stopping:
                    raise _Stopped
                digest.update(block)
        return digest.hexdigest()

    def _could_not_read(self, watch: _Watch, path: Path, error: OSError) -> None:
        """Try a file that can't be read a few times, then say so beside it and leave it to the next scan."""
        failures = watch.failures[path] = watch.failures.get(path, 0) + 1
        _log.log(
            logging.WARNING if failures == 1 else logging.INFO, "cannot read %s: %s", path, error.strerror or error
        )
        if failures == _ATTEMPTS:
            self._refuse(path, f"It cannot be read: {error.strerror or error}. Check its permissions.")
        elif failures < _ATTEMPTS:
            watch.settling.look_at(path, self._clock() + self._retry_s)
