"""A network's weights back from the ONNX file that the engine runs, so that training can go on from what ships.

The exporter folds each normalisation into the convolution before it: the file has their product and sum, not the means
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

_FOLDED = "onnx::Conv"
#: Excerpts that the normalisations are measured on.
MEASURED = 64


def begin_with_shipped(deployed: nn.Module, path: Path, features: Tensor) -> None:
    """Give `deployed` the weights of the file that it was exported to.

    Parameters
    ----------
    deployed
        As it is exported: `tools.train.model.DeployedStrokes` or `DeployedMasks`. What the file lacks stays as it is.
    features
        (excerpts, frames, bands): what the normalisations' means and variances are measured on.

    Raises
    ------
    ValueError
        The file is of a network of another shape.
    """
    arrays = {one.name: numpy_helper.to_array(one) for one in onnx.load(path).graph.initializer}
    folded = iter([array for name, array in arrays.items() if name.startswith(_FOLDED)])
    pairs = list(_normalised(deployed))
    with torch.no_grad():
        for convolution, norm in pairs:
            _copy(convolution.weight, next(folded, None))
            norm.register_buffer("added", torch.empty_like(norm.bias), persistent=False)
            _copy(norm.added, next(folded, None))
        for name, parameter in deployed.named_parameters():
            if name in arrays:
                _copy(parameter, arrays[name])
        _measure(deployed, [norm for _, norm in pairs], features)


def _normalised(deployed: nn.Module) -> Iterator[tuple[nn.Module, nn.Module]]:
    """Every convolution that a normalisation follows, in the order in which they are heard."""
    last: nn.Module | None = None
    for module in deployed.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d):
            last = module
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and last is not None:
            yield last, module


def _measure(deployed: nn.Module, norms: list[nn.Module], features: Tensor) -> None:
    """Set every normalisation, the first one first, so that it only adds what it is to add."""
    hooks = [norm.register_forward_pre_hook(_set) for norm in norms]
    deployed.eval()(features)
    for hook in hooks:
        hook.remove()
    for norm in norms:
        del norm.added


def _set(norm: nn.Module, given: tuple[Tensor, ...]) -> None:
    heard = given[0]
    variance, mean = torch.var_mean(heard, dim=[axis for axis in range(heard.ndim) if axis != 1], correction=0)
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
    norm.weight.copy_((variance + norm.eps).sqrt())
    norm.bias.copy_(mean + norm.added)


def _copy(place: Tensor, array: np.ndarray | None) -> None:
    if array is None or tuple(place.shape) != array.shape:
        raise ValueError("the file is of a network of another shape")
    place.copy_(torch.from_numpy(array.copy()))
