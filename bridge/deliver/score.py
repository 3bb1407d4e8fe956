"""The score: every part on its own staff, and the whole song reduced for piano; as MusicXML, SVG and PDF.

``score/score.*`` and ``score/piano.*``; docs/reference/score.md says what is in them.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from bridge.deliver.engrave import engrave
from bridge.deliver.engrave_child import Job
from bridge.deliver.kinds import Outlet
from bridge.deliver.score_sheet import Sheet, excerpts, full_score, piano_reduction
from bridge.deliver.score_xml import musicxml
from bridge.deliver.song import Song
from bridge.model import DeliverOptions
from bridge.progress import Progress

#: Bars that are engraved at once, which bounds the memory that it takes: a song of four minutes is one piece, 1,000
#: bars of five staves at once took 600 MB.
PIECE_BARS = 160
#: Half the distance of two staff lines in tenths of a millimetre: staves of 4.8 mm for the many of a score, of 5.6 mm
#: for one player.
UNITS = {"score": 6.0, "piano": 7.0}


def write(song: Song, out: Outlet, options: DeliverOptions, progress: Progress) -> None:
    """Write the score and the piano reduction of a song.

    Raises
    ------
    EngineFailed
        If they can't be engraved.
    """
    progress.at(0.0)
    with tempfile.TemporaryDirectory(dir=out.scratch) as folder:
        scores = {}
        for name, make in (("score", full_score), ("piano", piano_reduction)):
            sheet = make(song, progress)
            out.write_bytes(f"score/{name}.musicxml", musicxml(sheet, progress))
            scores[name] = write_pieces(sheet, name, Path(folder), progress)
        job = Job(Path(folder), sheet.title, scores, UNITS)
        engrave(job, progress.part(0.2, 1.0))
        for page in sorted(Path(folder).glob("*.svg")) + sorted(Path(folder).glob("*.pdf")):
            out.write_bytes(f"score/{page.name}", page.read_bytes())
            progress.check()


def write_pieces(sheet: Sheet, name: str, folder: Path, progress: Progress) -> tuple[str, ...]:
    """A score as files short enough to be engraved at once; their names."""
    names: list[str] = []
    for piece in excerpts(sheet, PIECE_BARS):
        names.append(f"{name}-{len(names) + 1}.musicxml")
        (folder / names[-1]).write_bytes(musicxml(piece, progress))
    return tuple(names)
