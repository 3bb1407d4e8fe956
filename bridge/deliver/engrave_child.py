"""The process in which scores are engraved: started by `bridge.deliver.engrave`, never by hand.

It reads one line of JSON (a `Job`) from its standard input, writes a line for each page to its standard output, and
leaves pages as SVG and a PDF for each score in the job's folder. It ends when it has done, when it has failed, or at
once when its standard input is closed, which happens too when its parent dies.

A process of its own, because neither Verovio nor Typst can be interrupted, and both are native code that reads what
was made of any recording whatsoever.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

#: A4 in tenths of a millimetre, which is what Verovio's page is measured in; margins likewise.
PAGE = (2100, 2970)
MARGIN = 120
#: Music characters in text -> the same in any text font: notes and dot of tempo marks, accidentals of chord symbols
#: (SMuFL's code points).
_TEXT_GLYPHS = {
    0xECA5: "♩",
    0xECA7: "♪",
    0xECB7: ".",
    0xEA63: "𝄫",
    0xEA64: "♭",
    0xEA65: "♮",
    0xEA66: "♯",
    0xEA67: "𝄪",
}
#: Verovio's text in its music font, and the size of the text beside it.
_GLYPH_TEXT = re.compile(r'<tspan font-family="Leipzig" font-size="(\d+)px">([^<]*)</tspan>')
_GLYPH_SCALE = 480 / 270
#: A line of text whose place stands on an inner element, where not all readers look for it.
_INNER_PLACE = re.compile(r'<text font-size="0px">\s*<tspan ([^>]*?) (x="[^"]*" y="[^"]*" text-anchor="\w+")>')
_PAGE_NUMBER = re.compile(r"– \d+ –")
#: Typst's own fonts have these letters: Latin, Greek, Cyrillic.
_LAST_LETTER = "\u052f"


@dataclass(frozen=True, slots=True)
class Job:
    """What to engrave.

    Attributes
    ----------
    folder
        Where the pieces lie and the pages go.
    title
        Of the PDFs.
    scores
        By name, the names of the MusicXML files that follow each other in it.
    unit
        By name, how large it is: half the distance of two staff lines in tenths of a millimetre.
    """

    folder: Path
    title: str
    scores: Mapping[str, tuple[str, ...]]
    unit: Mapping[str, float]

    def to_line(self) -> bytes:
        """The job as a line of ASCII JSON."""
        return json.dumps(asdict(self), default=str).encode("ascii") + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Job:
        """The job that `to_line` wrote."""
        job = json.loads(line)
        return cls(Path(job["folder"]), job["title"], job["scores"], job["unit"])


def main() -> None:
    """Do the one job that stands on the standard input, then end the process without further ado."""
    code = 1
    try:
        job = Job.from_line(sys.stdin.buffer.readline())
        threading.Thread(target=_end_with_parent, daemon=True).start()
        _run(job)
        code = 0
    except Exception as error:  # the border: whatever broke, the parent reads it in one line
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
    # Nothing is left to tidy up; and the thread may be reading, which the interpreter's own end can't bear.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _run(job: Job) -> None:
    """Engrave everything."""
    for name, pieces in job.scores.items():
        pages: list[str] = []
        for svg in _engraved([job.folder / piece for piece in pieces], job.unit[name]):
            pages.append(f"{name}-{len(pages) + 1:02d}.svg")
            (job.folder / pages[-1]).write_text(tidied(svg, len(pages)), encoding="utf-8")
            _tell("page")
        (job.folder / f"{name}.pdf").write_bytes(_pdf(job.folder, pages, job.title))
        _tell("score")


def _engraved(pieces: list[Path], unit: float) -> Iterator[str]:
    """The pages of a score as SVG."""
    import verovio

    verovio.enableLog(verovio.LOG_OFF)
    for piece in pieces:
        toolkit = verovio.toolkit()
        toolkit.setOptions(_options(unit))
        if not toolkit.loadData(piece.read_text("utf-8")):
            raise ValueError(f"Verovio can't read {piece.name}")
        for page in range(1, toolkit.getPageCount() + 1):
            yield toolkit.renderToSVG(page)


def _options(unit: float) -> dict[str, object]:
    """Verovio's options."""
    margins = dict.fromkeys(("pageMarginTop", "pageMarginBottom", "pageMarginLeft", "pageMarginRight"), MARGIN)
    return {
        **margins,
        "pageWidth": PAGE[0],
        "pageHeight": PAGE[1],
        "unit": unit,
        "breaks": "auto",
        "header": "auto",
        "footer": "none",
        "spacingStaff": 8,
        "spacingSystem": 6,
        "justifyVertically": True,
        "smuflTextFont": "none",
        "svgViewBox": True,
        "svgFormatRaw": True,
        "xmlIdChecksum": True,  # the same music has the same ids
    }


def tidied(svg: str, number: int) -> str:
    """A page as any reader of SVG shows it rightly: music characters in text from text fonts, and its own number."""

    def glyph(found: re.Match[str]) -> str:
        size = round(int(found[1]) / _GLYPH_SCALE)
        return f'<tspan font-size="{size}px">{found[2].translate(_TEXT_GLYPHS).replace(" .", ".")}</tspan>'

    svg = _GLYPH_TEXT.sub(glyph, svg)
    svg = _INNER_PLACE.sub(r'<text font-size="0px" \2><tspan \1>', svg)
    return _PAGE_NUMBER.sub(f"– {number} –", svg)


def typst_source(pages: Iterable[str]) -> str:
    """What makes Typst put pages after each other, without a date: the same music gives the same bytes."""
    lines = [
        '#set page(paper: "a4", margin: 0pt)',
        "#set document(title: sys.inputs.title, date: none)",
        *(f'#image("{page}", width: 100%)' for page in pages),
    ]
    return "\n".join(lines)


def _pdf(folder: Path, pages: list[str], title: str) -> bytes:
    """The pages as one PDF."""
    import typst

    source = folder / "pages.typ"
    source.write_text(typst_source(pages), encoding="utf-8")
    # The system's fonts only where Typst's own don't do: they differ from one system to another.
    is_plain = all(letter <= _LAST_LETTER for letter in title)
    pdf = typst.compile(str(source), root=str(folder), ignore_system_fonts=is_plain, sys_inputs={"title": title})
    assert isinstance(pdf, bytes)
    return pdf


def _tell(what: str) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def _end_with_parent() -> None:
    """End this process at once when the parent closes the pipe, or dies, whatever else goes on here."""
    while sys.stdin.buffer.read(1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
