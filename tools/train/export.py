"""The trained network as the ONNX files that the engine runs, and their facts beside them."""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path

import onnx
import torch
from torch import nn

from bridge.drums.kit_decode import CLASSES
from bridge.drums.kit_features import bands
from bridge.drums.kit_network import masks_path
from bridge.model import COMPONENTS
from tools.train.model import DeployedMasks, DeployedStrokes, KitNetwork, reach
from tools.train.scores import Thresholds

_OPSET = 17


def export(network: KitNetwork, masks: DeployedMasks, thresholds: Thresholds, target: Path, version: str) -> None:
    """Write `target`, its masks beside it, and what they are (`bridge.drums.kit_network.Facts`) as JSON.

    The input of both is ``features`` (1, frames, bands). The outputs are ``onsets`` and ``velocities`` (1, frames,
    classes) of the one, ``shares`` (1, frames, components, bands) of the other.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    facts = {
        "version": version,
        "sha256": _written(DeployedStrokes(network), target, ("onsets", "velocities")),
        "masks_sha256": _written(masks, masks_path(target), ("shares",)),
        "classes": CLASSES,
        "components": COMPONENTS,
        "reach": reach(),
        "least": thresholds,
    }
    target.with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def _written(deployed: nn.Module, target: Path, outputs: tuple[str, ...]) -> str:
    """Write one file; returns its hash."""
    scratch = target.with_suffix(".tmp")
    with warnings.catch_warnings():
        # The newer exporter needs two more packages and gives the same; that a slice isn't folded does no harm.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.filterwarnings("ignore", "Constant folding", UserWarning)
        torch.onnx.export(
            deployed.eval().cpu(),
            (torch.zeros(1, 1000, bands()),),
            str(scratch),
            input_names=["features"],
            output_names=list(outputs),
            dynamic_axes={name: {1: "frames"} for name in ("features", *outputs)},
            opset_version=_OPSET,
            dynamo=False,
        )
    onnx.checker.check_model(onnx.load(scratch))
    scratch.replace(target)
    return hashlib.sha256(target.read_bytes()).hexdigest()
