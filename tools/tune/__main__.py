"""Choose the pitched parts' parameters on rendered recordings with exact truth.

usage: python -m tools.tune make|separate|judge|touch|fit [options]

make      renders the cases, once
separate  separates each song with the built-in separator, once
judge     prints F by the numbers of the table of profiles, on songs that the judges don't know
touch     prints what each fact about how hard a key was struck is worth, and how well velocities are told by them
fit       makes the judges from all cases, or those named by --only, and writes them into the package
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tools.tune.cases import make_cases
from tools.tune.separate import separate_songs

#: Where Debian's packages fluid-soundfont-gm and musescore-general-soundfont-small lie. The first plays every other
#: case; the two share some samples, but neither shares any with the bench's.
FONTS = (Path("/usr/share/sounds/sf2/FluidR3_GM.sf2"), Path("/usr/share/sounds/sf3/MuseScore_General_Lite.sf3"))
COUNTS = {"song": 44, "piano": 24, "pianist": 48, "vocals": 6, "tones": 16, "bass": 24, "stops": 24}
SEED = 19
JUDGES = ("alone", "separated", "mixed", "ends", "releases")


def main(arguments: list[str] | None = None) -> None:
    """Do what the command line (or `arguments`) asks for."""
    options = _options(arguments)
    songs = options.samples / "freedoom_midi"
    if not songs.is_dir():
        sys.exit(f"skipped: {songs} is not there; name the folder of the material with --samples")
    fonts = [font for font in options.fonts if font.exists()]
    if not fonts:
        sys.exit(f"skipped: none of the soundfonts is there: {', '.join(map(str, options.fonts))}")
    if options.verb == "make":
        make_cases(songs, fonts, options.work / "cases", COUNTS, SEED)
    elif options.verb == "separate":
        separate_songs(options.work / "cases", options.work / "stems")
    else:
        _judges(options)


def _judges(options: argparse.Namespace) -> None:
    import numpy as np
    import torch

    from tools.tune.examples import lessons
    from tools.tune.fit import as_arrays, judges_of
    from tools.tune.grid import print_grid
    from tools.tune.touch import print_touch

    torch.set_num_threads(options.threads)
    known = list(lessons(options.work))
    if options.verb == "touch":
        print_touch(known)
        return
    if options.verb == "judge":
        print_grid(known)
        return
    kept = dict(np.load(options.target)) if options.only else {}
    kept = {key: values for key, values in kept.items() if key.split(".")[0] not in options.only}
    np.savez(options.target, **kept, **as_arrays(judges_of(known, options.only)))
    print(f"{options.target}: {options.target.stat().st_size / 1e3:.0f} kB")


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("verb", choices=("make", "separate", "judge", "touch", "fit"))
    default = os.environ.get("STEMBRIDGE_TRAIN", "../shared/train")
    parser.add_argument("--samples", type=Path, default=Path(default), help="the folder that holds freedoom_midi")
    parser.add_argument("--work", type=Path, default=Path("build/tune"), help="where everything made is kept")
    parser.add_argument("--target", type=Path, default=Path("bridge/transcription/judges.npz"))
    parser.add_argument("--only", nargs="*", default=(), choices=JUDGES, help="judges to make anew; others stay")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--fonts", type=Path, nargs="*", default=FONTS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
