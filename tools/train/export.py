"""The trained network as the ONNX file that the engine runs, and its facts beside it."""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import asdict
from pathlib import Path

import onnx
import torch

from bridge.drums.kit_decode import CLASSES
from bridge.drums.kit_features import bands
from bridge.model import COMPONENTS
from tools.train.model import Deployed, KitNetwork, MaskNetwork, reach
from tools.train.scores import Rules

_OPSET = 17
_OUTPUTS = ("onsets", "velocities", "shares")


def export(network: KitNetwork, masks: MaskNetwork, rules: Rules, target: Path, version: str) -> None:
    """Write `target` and, beside it, what it is (`bridge.drums.kit_network.Facts`) as JSON.

    Its input is ``features`` (1, frames, bands); its outputs are ``onsets`` and ``velocities`` (1, frames,
    classes), and ``shares`` (1, frames, components, bands).
    """
    deployed = Deployed(network, masks).eval().cpu()
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_suffix(".tmp")
    with warnings.catch_warnings():
        # The newer exporter needs two more packages and gives the same; that a slice isn't folded does no harm.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.filterwarnings("ignore", "Constant folding", UserWarning)
        torch.onnx.export(
            deployed,
            (torch.zeros(1, 1000, bands()),),
            str(scratch),
            input_names=["features"],
            output_names=list(_OUTPUTS),
            dynamic_axes={name: {1: "frames"} for name in ("features", *_OUTPUTS)},
            opset_version=_OPSET,
            dynamo=False,
        )
    onnx.checker.check_model(onnx.load(scratch))
    facts = {
        "version": version,
        "sha256": hashlib.sha256(scratch.read_bytes()).hexdigest(),
        "classes": CLASSES,
        "components": COMPONENTS,
        "reach": reach(),
        "rules": {name: asdict(rule) for name, rule in rules.items()},
    }
    scratch.replace(target)
    target.with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
