"""An Ableton Live Set in the format of Live 11.3: ``<name> Project/<name>.als``, with the samples that it plays.

docs/reference/live-set.md says what is in it. One track of notes for each part and component and, where wanted, one of
its stem beneath; a part with components is a folded group. Stems lie in the project's own folder, so that it can be
moved; where the file system allows it they take no room there, being second names of the files in ``stems``.
"""

from __future__ import annotations

from itertools import chain, count
from xml.etree.ElementTree import Element

from bridge import __version__
from bridge.deliver.als.blocks import PointeeIds
from bridge.deliver.als.clips import ClipLook, audio_clip, midi_clip
from bridge.deliver.als.liveset import SetFacts, live_set, set_bytes
from bridge.deliver.als.palette import palette_index
from bridge.deliver.als.tracks import Track, audio_track, bend_target, group_track, midi_track
from bridge.deliver.arrangement import Family, Marker, PartTracks, families, markers
from bridge.deliver.kinds import Outlet
from bridge.deliver.ruler import Ruler
from bridge.deliver.samples import share
from bridge.deliver.song import Song
from bridge.deliver.xmltext import clean, shortened
from bridge.model import DeliverOptions
from bridge.music.key import TONIC_NAMES
from bridge.progress import Progress
from bridge.write.keep import has_users_set

#: The folder by which Live knows that samples' paths are relative to the one that it is in.
MARKER_FOLDER = "Ableton Project Info"
#: Where Live itself puts samples that are dropped into a set.
SAMPLES = "Samples/Imported"
_MARKER_TEXT = "This folder marks the one that it is in as an Ableton Live project. Leave it here.\n"


def write(song: Song, out: Outlet, options: DeliverOptions, progress: Progress) -> None:
    """Write the Live Set of a song: a `bridge.deliver.kinds.Writer`."""
    ruler = Ruler.of(song.grid, song.timeline)
    project, set_name = _free_names(song)
    found = families(song, ruler, audio=options.audio_tracks)
    home = clean((song.home / project).as_posix())
    root = _SetBuilder(song, ruler, home, progress.part(0.0, 0.5)).build(found, markers(song, ruler, options.loop_bars))
    out.write_bytes(f"{project}/{set_name}", set_bytes(root))
    out.write_bytes(f"{project}/{MARKER_FOLDER}/Stembridge.txt", _MARKER_TEXT.encode("ascii"))
    samples = [part.sample for family in found for part in family.members if part.sample is not None]
    for index, sample in enumerate(samples):
        span = progress.part(0.5 + 0.5 * index / len(samples), 0.5 + 0.5 * (index + 1) / len(samples))
        share(sample.source, out.path(f"{project}/{SAMPLES}/{sample.name}"), span)
    progress.at(1.0)


def usual_project(name: str) -> str:
    """The name of a song's project folder, where there is none in which the user has saved a set."""
    return shortened(name, " Project")


def _free_names(song: Song) -> tuple[str, str]:
    """Names of the project's folder and its set: the next number where the user has saved a set in an earlier one."""
    names = ((usual_project(song.name), shortened(song.name, ".als")),)
    more = ((shortened(song.name, f" ({n}) Project"), shortened(song.name, f" ({n}).als")) for n in count(2))
    return next(pair for pair in chain(names, more) if not has_users_set(song.home, pair[0]))


def _scale(key: str | None) -> tuple[int, str]:
    """A key such as ``Eb major`` as Live says it; C major, as in a new set, where it isn't known."""
    named = {
        f"{tonic} {mode}": (semitones, mode.capitalize())
        for mode, tonics in TONIC_NAMES.items()
        for semitones, tonic in enumerate(tonics)
    }
    return named.get(key or "", (0, "Major"))


class _SetBuilder:
    """The tracks of one set, one after the other, numbered as they come.

    Parameters
    ----------
    song, ruler
        What the set is of.
    home
        Absolute path of the project's folder, for Live to fall back on.
    progress
        Told of each track.
    """

    def __init__(self, song: Song, ruler: Ruler, home: str, progress: Progress) -> None:
        self._song = song
        self._ruler = ruler
        self._home = home
        self._progress = progress
        self._scale = _scale(song.key)
        self._tempos = ruler.tempos()
        self._meters = ruler.meters()
        # Every track takes one number at most twice, and a family one more.
        self._ids = PointeeIds(3 * len(song.parts) + 1)
        self._tracks: list[Element] = []

    def build(self, found: list[Family], locators: list[Marker]) -> Element:
        """The set with all of them."""
        count = sum(len(family.members) for family in found)
        done = 0
        for family in found:
            group = self._group(family)
            for part in family.members:
                self._part(part, group)
                done += 1
                self._progress.at(done / count)
        key = f" Key: {self._song.key}." if self._song.key else ""
        annotation = clean(f"{self._song.name}: made by Stembridge {__version__}.{key}")
        facts = SetFacts(annotation, self._tempos, self._meters, locators, self._scale)
        return live_set(self._tracks, facts, self._ids)

    def _group(self, family: Family) -> int:
        """Add a family's group track; its Id, or -1 for none."""
        if not family.name:
            return -1
        track = self._track(family.name, family.color, -1)
        self._tracks.append(group_track(track, self._ids))
        return track.number

    def _part(self, part: PartTracks, group: int) -> None:
        wheel = bend_target(self._ids)
        track = self._track(part.name, part.color, group)
        clips = [midi_clip(part, self._look(track), wheel)] if part.notes else []
        self._tracks.append(midi_track(track, wheel, clips, self._ids))
        if part.sample is not None:
            # What is in its parent's stem too would be heard twice.
            track = self._track(f"{part.name} stem", part.color, group, is_on=not part.is_component)
            relative = f"{SAMPLES}/{part.sample.name}"
            tempo = self._tempos[0].bpm
            clip = audio_clip(part.sample, self._look(track), tempo, relative, f"{self._home}/{relative}")
            self._tracks.append(audio_track(track, [clip], self._ids))

    def _track(self, name: str, color: int, group: int, *, is_on: bool = True) -> Track:
        return Track(len(self._tracks) + 1, name, palette_index(color), group, is_on)

    def _look(self, track: Track) -> ClipLook:
        return ClipLook(track.name, track.color, self._meters[0][1:], self._scale)
