#!/usr/bin/env python3
"""Copy the first page of a result's score as docs/images/score.svg.

usage: make_score_picture.py RESULT [TARGET]

RESULT is a result folder that has its score (stembridge deliver RESULT --deliver score).
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

#: Pages have no background of their own; README readers in the dark would see black on black.
PAPER = '<rect width="100%" height="100%" fill="#fff"/>'


def main() -> None:
    """Copy what the command line names."""
    page = Path(sys.argv[1]) / "score/score-01.svg"
    target = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parents[1] / "docs/images/score.svg"
    if not page.is_file():
        sys.exit(f"{page} is missing: stembridge deliver {sys.argv[1]} --deliver score")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(on_paper(page.read_text("utf-8")), encoding="utf-8")
    print(f"wrote {target}")


def on_paper(svg: str) -> str:
    """A page of a score on white."""
    return re.sub(r"(<svg [^>]*>)", rf"\g<1>{PAPER}", svg, count=1)


if __name__ == "__main__":
    main()
