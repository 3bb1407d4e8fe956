"""A network's weights back from the ONNX file that the engine runs, so that training can go on from what ships.

The exporter folds each normalisation into the convolution before it: the file has its sum and product, not the means
and variances that it was made of. Those are measured again, on excerpts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from tools.train.model import KitNetwork

_FOLDED = "onnx::Conv"


def begin_with_shipped(network: KitNetwork, path: Path, features: Tensor) -> None:
    """Give `network` the weights of an exported file of strokes.

    Parameters
    ----------
    features
        (excerpts, frames, bands): what the normalisations' means and variances are measured on.

    Raises
    ------
    ValueError
        The file is of a network of another shape.
    """
    arrays = {one.name: numpy_helper.to_array(one) for one in onnx.load(path).graph.initializer}
    folded = iter([array for name, array in arrays.items() if name.startswith(_FOLDED)])
    with torch.no_grad():
        for convolution, norm in _pairs(network):
            _copy(convolution.weight, next(folded, None))
            norm.register_buffer("wanted", torch.empty_like(norm.bias), persistent=False)
            _copy(norm.wanted, next(folded, None))
        for head in ("onset", "velocity"):
            for of in ("weight", "bias"):
                _copy(getattr(getattr(network, head), of), arrays.get(f"network.{head}.{of}"))
        _measure(network, features)


def _measure(network: KitNetwork, features: Tensor) -> None:
    """Set every normalisation, in order, so that it only adds what it is to add."""
    norms = [norm for _, norm in _pairs(network)]
    hooks = [norm.register_forward_pre_hook(_set) for norm in norms]
    network.eval()(features)
    for hook in hooks:
        hook.remove()
    for norm in norms:
        del norm.wanted


def _set(norm: nn.Module, given: tuple[Tensor, ...]) -> None:
    x = given[0]
    variance, mean = torch.var_mean(x, dim=[axis for axis in range(x.ndim) if axis != 1], correction=0)
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
    norm.weight.copy_((variance + norm.eps).sqrt())
    norm.bias.copy_(mean + norm.wanted)


def _pairs(network: KitNetwork) -> Iterator[tuple[nn.Module, nn.Module]]:
    """Every convolution that a normalisation follows, in the order in which they are heard."""
    for layer in (*network.front, network.join):
        yield layer[0], layer[1]
    for step in network.steps:
        yield step.wide, step.norm


def _copy(place: Tensor, array: np.ndarray | None) -> None:
    if array is None or tuple(place.shape) != array.shape:
        raise ValueError("the file is of a network of another shape")
    place.copy_(torch.from_numpy(array.copy()))
