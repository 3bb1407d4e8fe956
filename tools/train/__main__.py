"""Train the kit engine's network from rendered drums.

usage: python -m tools.train prepare|render|fit|masks|judge|sources|rival|export [options]

prepare  renders the soundfont's kits and the backings, once
render   renders excerpts ahead of a `fit` that runs beside it, on another core
fit      trains what hears strokes; stop it at any time, start it again to go on
masks    trains what shares the drums out, on a network that `fit` has trained; the same
judge    prints F by class, and what masks are worth, on held-out libraries and drummers
sources  prints whether drums are better heard in a mix or in what the built-in separator takes out of it
rival    prints the same of the engine that needs no training
export   writes the ONNX file
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch

from bridge.drums.kit_decode import SURROUNDINGS
from bridge.drums.kit_features import bands
from bridge.drums.kit_network import masks_path
from tools.train import backing, soundfonts, worlds
from tools.train.excerpts import Example, Layers, Store, most_examples
from tools.train.export import export
from tools.train.fit import Plan, State, Stores, judge, train
from tools.train.masks import MaskPlan, MaskState, judge_masks, train_masks
from tools.train.rival import CERTAIN, judge_rival
from tools.train.scores import best_thresholds, cross_fitted, decided, report

GIGABYTE = 1024**3
#: Stretches of bands: each is mixed into many excerpts at another moment and level.
MOST_BANDS = 1000
#: Where Debian's packages hydrogen-drumkits, fluid-soundfont-gm and musescore-general-soundfont-small lie.
DEBIAN_KITS = Path("/usr/share/hydrogen/data/drumkits")
DEBIAN_FONTS = (
    Path("/usr/share/sounds/sf2/FluidR3_GM.sf2"),
    Path("/usr/share/sounds/sf3/MuseScore_General_Lite.sf3"),
)
#: What shows in a minute that every step works; its network is good for nothing.
SMALL = Plan(steps=6, batch=2, first=4, fresh=0.5, judge_steps=6, channels=32)
SMALL_MASKS = MaskPlan(steps=4, batch=2, first=2, fresh=0.0, channels=32)


def main(arguments: list[str] | None = None) -> None:
    """Do what the command line (or `arguments`) asks for."""
    options = _options(arguments)
    torch.set_num_threads(options.threads)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # a checkpoint is written on the way out
    material = worlds.Material(options.samples, options.work, options.kits)
    if options.verb == "prepare":
        _prepare(material, options.fonts, 2 if options.small else None)
        return
    drums = list(material.drums())
    judges = worlds.judging_stores(material, worlds.judging_worlds(material, drums))
    if options.small:
        judges = {name: replace(store, most=1) for name, store in list(judges.items())[:2]}
    if options.verb == "rival":
        print(report(decided(judge_rival(judges), CERTAIN)))
    elif options.verb == "sources":
        network = _trained(options, Plan()).averaged
        for name, store in worlds.source_stores(material, drums).items():
            print(report(cross_fitted(judge(network, {name: store}, options.device))))
    elif options.verb in ("render", "fit", "masks"):
        _learn(options, material, worlds.training_world(material, drums, everything=options.everything), judges)
    else:
        _look(options, judges, worlds.judging_layers(material, drums, 1 if options.small else None))


def _learn(
    options: argparse.Namespace, material: worlds.Material, world: worlds.World, judges: dict[str, Store[Example]]
) -> None:
    """Render, or train strokes or masks."""
    plan = SMALL if options.small else Plan(steps=options.steps, rate=options.rate)
    mask_plan = SMALL_MASKS if options.small else MaskPlan(steps=options.mask_steps)
    most = most_examples(round(options.cache_gb * GIGABYTE / 4), bands())
    stores = Stores(
        worlds.training_store(material, world, most, options.name),
        worlds.band_store(material, world, min(most, MOST_BANDS), options.name),
    )
    layers = worlds.layers_store(material, world, most // 4, options.name)
    if options.verb == "render":
        stores.drums.render_ahead(plan.known(plan.steps, most))
        stores.bands.render_ahead(plan.known(plan.steps, stores.bands.most))
        layers.render_ahead(mask_plan.known(mask_plan.steps, layers.most))
    elif options.verb == "fit":
        train(stores, judges, plan, _checkpoint(options, ""), options.device, _first(options))
    else:
        shipped = _first(options)
        first = masks_path(shipped) if shipped and shipped.suffix == ".onnx" else _trained(options, plan).averaged
        train_masks(first, layers, mask_plan, _checkpoint(options, "-masks"), options.device)


def _look(options: argparse.Namespace, judges: dict[str, Store[Example]], layers: Store[Layers]) -> None:
    """Judge what was trained; write it down where that was asked for."""
    plan = SMALL if options.small else Plan()
    state = _trained(options, plan)
    cases = judge(state.averaged, judges, options.device)
    thresholds = best_thresholds(cases)
    print(f"step {state.step}; each library by a threshold that was chosen without it\n{report(cross_fitted(cases))}")
    print("thresholds of all together: " + ", ".join(f"{name} {one:.2f}" for name, one in thresholds.items()))
    mask_plan = SMALL_MASKS if options.small else MaskPlan()
    masks, path = MaskState.begun(mask_plan, options.device), _checkpoint(options, "-masks")
    if path.exists():
        masks.load(path)
        ratios = judge_masks(masks.averaged, layers)
        print("masks, dB: " + " ".join(f"{name} {value:.1f}" for name, value in ratios.items()))
    if options.verb != "export":
        return
    if not path.exists():
        sys.exit("there are no masks yet: python -m tools.train masks")
    missing = [name for name in SURROUNDINGS if name not in thresholds]
    if missing and not options.small:
        sys.exit(f"nothing to choose the threshold for drums {missing[0]} by: --kits and --fonts name what is needed")
    thresholds |= {name: next(iter(thresholds.values())) for name in missing}
    export(state.averaged, masks.averaged, thresholds, options.target, f"2.{state.step}.{masks.step}")
    print(f"{options.target} and its masks: {_size_mb(options.target):.2f} MB")


def _size_mb(target: Path) -> float:
    return (target.stat().st_size + masks_path(target).stat().st_size) / 1e6


def _trained(options: argparse.Namespace, plan: Plan) -> State:
    state = State.begun(plan, options.device)
    state.load(_checkpoint(options, ""), options.device)
    return state


def _checkpoint(options: argparse.Namespace, ending: str) -> Path:
    path: Path = options.work / "checkpoints" / f"{options.name}{ending}.pt"
    return path


def _first(options: argparse.Namespace) -> Path | None:
    """What a new run begins with: a file, or the checkpoint of a run that is named."""
    if options.begin is None or options.begin.endswith(".onnx"):
        return options.begin and Path(options.begin)
    return options.work / "checkpoints" / f"{options.begin}.pt"


def _prepare(material: worlds.Material, wanted: list[Path], most: int | None) -> None:
    fonts = [font for font in wanted if font.exists()]
    for font in fonts:
        soundfonts.render_kits(font, material.work / "soundfonts", most)
    if fonts:
        backing.render_backings(material.samples / "freedoom_midi", fonts[0], material.work / "backing", most)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("verb", choices=("prepare", "render", "fit", "masks", "judge", "sources", "rival", "export"))
    default = os.environ.get("STEMBRIDGE_TRAIN", "../shared/train")
    parser.add_argument("--samples", type=Path, default=Path(default), help="the folder of training material")
    parser.add_argument("--work", type=Path, default=Path("build/train"), help="where everything made is kept")
    parser.add_argument("--kits", type=Path, default=DEBIAN_KITS, help="Hydrogen's drum kits; most of them only judge")
    parser.add_argument(
        "--fonts", type=Path, nargs="*", default=DEBIAN_FONTS, help="soundfonts; the first plays the backings"
    )
    parser.add_argument("--name", default="kit", help="of the run: its checkpoint and its excerpts")
    parser.add_argument("--begin", help="the run, or the exported file (*.onnx), whose weights a new run begins with")
    parser.add_argument("--target", type=Path, default=Path("build/train/kit.onnx"))
    parser.add_argument("--steps", type=int, default=Plan().steps)
    parser.add_argument("--mask-steps", type=int, default=MaskPlan().steps)
    parser.add_argument("--rate", type=float, default=Plan().rate, help="highest learning rate")
    parser.add_argument("--cache-gb", type=float, default=4.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--everything", action="store_true", help="train on all that may be trained on, for shipping")
    parser.add_argument("--small", action="store_true", help="a minute that shows that all of it works")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
