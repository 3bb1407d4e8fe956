"""Judge the beat tracker on recordings of known beats that are made here.

usage: python -m tools.tempo prepare|fit|judge [options]

prepare  renders the recordings once and keeps their onset envelopes (`--work`)
fit      prints the weights of bridge.tempo.readings, chosen on these recordings, and how well they carry over
judge    tracks them and prints how often tempo, beats, meter and bars are right, by kind
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from tools.tempo.fit import fit
from tools.tempo.judge import report
from tools.tempo.material import load, prepare
from tools.tempo.styles import ONLY_JUDGED

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("verb", choices=["prepare", "fit", "judge"])
    parser.add_argument("--samples", type=Path, default=Path(os.environ.get("STEMBRIDGE_TRAIN", "../shared/train")))
    parser.add_argument("--font", type=Path, default=Path("/usr/share/sounds/sf2/FluidR3_GM.sf2"))
    parser.add_argument("--work", type=Path, default=ROOT / "build/tempo")
    parser.add_argument("--half", choices=["tuning", "held-out", "both"], default="both")
    parser.add_argument("--without-drums", action="store_true", help="track the mix alone")
    parser.add_argument("--each", action="store_true", help="a line for each recording too")
    options = parser.parse_args()
    if options.verb == "prepare":
        prepare(options.samples, options.font, options.work)
        return
    cases = [
        case for case in load(options.work) if options.half in ("both", "held-out" if case.is_held_out else "tuning")
    ]
    if options.verb == "fit":
        print(fit([case for case in cases if case.kind not in ONLY_JUDGED]))
        return
    print(report(cases, with_drums=not options.without_drums, each=options.each))


if __name__ == "__main__":
    main()
