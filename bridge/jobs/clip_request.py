"""A device's request for a clip, made into a job: which file, which stretch of it, into which folder."""

from __future__ import annotations

import hashlib
import re
import stat
import sys
import unicodedata
from pathlib import Path

import msgspec

from bridge.errors import AudioUnreadable, InvalidRequest
from bridge.jobs.model import JobSpec, Options
from bridge.live.clip import ClipFacts, ClipOptions, one_line, parse_clip

#: Longest part of a result folder's name that is taken from a clip, in bytes of UTF-8, of the 255 that file systems
#: allow; the rest is for the job's own suffix, and leaves room for long folders above it on Windows.
_MAX_NAME_BYTES = 120
#: Options of a clip that are the conversion's.
_CONVERSION_OPTIONS = frozenset(Options.__struct_fields__) & frozenset(ClipOptions.__struct_fields__)


def spec_from_request(data: bytes, job_id: str, out_root: Path) -> JobSpec:
    """The job that a device asks for with the JSON `data` (see `bridge.live.clip`).

    The result folder lies in `out_root` and has the job's own name, so that a later job never replaces audio which a
    Set plays from; the same request with the same id gives the same folder.

    Parameters
    ----------
    data
        UTF-8 JSON, no longer percent-encoded.
    job_id
        The job's name.
    out_root
        An absolute path.

    Raises
    ------
    InvalidRequest
        If the request makes no sense.
    AudioUnreadable
        If the clip's file isn't there, or is no regular file.
    """
    clip = parse_clip(data)
    source = check_file(clip)
    asked = msgspec.structs.asdict(clip.options)
    chosen = {name: asked[name] for name in _CONVERSION_OPTIONS}
    suffix = hashlib.sha256(job_id.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    try:
        # Made by way of convert, since only that checks values.
        options = msgspec.convert({**chosen, "range_s": clip.range_s()}, Options)
        name = folder_name(clip.name or source.stem, suffix)
        return JobSpec(source=str(source), out_dir=str(out_root), name=name, options=options, clip=clip)
    except ValueError as error:
        raise InvalidRequest(f"the request for a clip makes no sense: {one_line(error)}; update the device") from error


def check_file(clip: ClipFacts, *, platform: str = sys.platform) -> Path:
    """The clip's file: absolute, and a regular file that is there.

    Raises
    ------
    InvalidRequest
        If the path isn't absolute, or can't be one.
    AudioUnreadable
        If there is no regular file.
    """
    path = Path(native_path(clip.file_path, platform=platform))
    if "\0" in clip.file_path or not path.is_absolute():
        raise InvalidRequest(f"{one_line(path)} is no absolute path: save the Set, then convert again")
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise AudioUnreadable(
            f"the clip's file {one_line(path)} cannot be read ({reason}): use File > Manage Files in Live to find it"
        ) from error
    if not stat.S_ISREG(mode):
        raise AudioUnreadable(f"the clip's file {one_line(path)} is no regular file: consolidate the clip")
    return path


def native_path(text: str, *, platform: str = sys.platform) -> str:
    """A path as the system wants it; on macOS, Max may name the volume first (``Disk:/Users/…``)."""
    if platform == "darwin" and (found := re.fullmatch(r"([^/:]+):(/.*)", text, re.DOTALL)):
        return f"/Volumes/{found[1]}{found[2]}"
    return text


def folder_name(text: str, suffix: str) -> str:
    """A name for a folder, from one that anybody chose: letters, digits, spaces and ``-_+&'.,()``, then `suffix`.

    It is one component of a path on every system, is hidden on none, and has at most 120 bytes and the suffix.

    Parameters
    ----------
    text
        Any text.
    suffix
        Letters and digits that make it this job's own.
    """
    letters = (
        letter if letter.isalnum() or letter in " -_+&'.,()" else "_" for letter in unicodedata.normalize("NFC", text)
    )
    # Names such as con.txt are devices on Windows; with the suffix after a space none can be one.
    name = " ".join("".join(letters).replace(".", " ").split())
    name = name.encode("utf-8")[:_MAX_NAME_BYTES].decode("utf-8", "ignore").strip(" _")
    return f"{name or 'clip'} {suffix}"
