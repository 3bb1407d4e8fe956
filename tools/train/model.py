"""The network: convolutions over the spectrogram, then dilated ones over time, two heads; and masks from what it knows.

Dilated convolutions instead of a recurrent layer (Davies & Böck, EUSIPCO 2019, for beats): as good there, quicker to
train on a CPU, and of finite reach, so that a long recording can be taken in windows that give the same as one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bridge.model import COMPONENTS
from tools.train.libraries import KINDS

#: Frames to each side that an output depends on, at most; windows overlap by this much.
DILATIONS = (1, 2, 4, 8, 16, 32, 64, 96)
KERNEL = 5


#: Layers of the front, and of the masks, that look one frame to each side.
_FRONT_LAYERS, _MASK_LAYERS = 3, 4


def reach() -> int:
    """Frames before and after one that its outputs depend on."""
    return sum(DILATIONS) * (KERNEL // 2) + _FRONT_LAYERS + _MASK_LAYERS + 1


@dataclass(frozen=True, slots=True)
class Known:
    """What the network knows of a recording before its heads.

    Attributes
    ----------
    maps
        The input (batch, 2, frames, bands), then what each layer of the front makes of it, half as high each time.
    hidden
        (batch, channels, frames).
    """

    maps: tuple[Tensor, ...]
    hidden: Tensor


def _heights(bands: int) -> list[int]:
    """Of the input and of what each layer of the front makes of it."""
    heights = [bands]
    for _ in range(_FRONT_LAYERS):
        heights.append((heights[-1] + 1) // 2)
    return heights


class _Front(nn.Sequential):
    def __init__(self, before: int, after: int, width: int) -> None:
        super().__init__(
            nn.Conv2d(before, after, (3, width), stride=(1, 2), padding=(1, width // 2), bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
        )


class _Step(nn.Module):
    """A residual dilated convolution over time."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.wide = nn.Conv1d(
            channels, channels, KERNEL, padding=dilation * (KERNEL // 2), dilation=dilation, bias=False
        )
        self.norm = nn.BatchNorm1d(channels)
        self.drop = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, frames), as it came."""
        found: Tensor = self.drop(torch.relu(self.norm(self.wide(x))))
        return x + found


class KitNetwork(nn.Module):
    """Features (batch, frames, bands) -> logits of onsets and velocities, (batch, frames, classes) each."""

    def __init__(self, bands: int, channels: int = 128, front: tuple[int, int, int] = (24, 32, 48)) -> None:
        super().__init__()
        self.bands, self.channels, self.widths = bands, channels, front
        self.front = nn.Sequential(_Front(2, front[0], 5), _Front(front[0], front[1], 3), _Front(front[1], front[2], 3))
        self.join = nn.Sequential(
            nn.Conv1d(front[2] * _heights(bands)[-1], channels, 1, bias=False), nn.BatchNorm1d(channels), nn.ReLU()
        )
        self.steps = nn.Sequential(*(_Step(channels, dilation) for dilation in DILATIONS))
        self.onset = nn.Conv1d(channels, len(KINDS), 1)
        self.velocity = nn.Conv1d(channels, len(KINDS), 1)
        assert self.onset.bias is not None
        nn.init.constant_(self.onset.bias, -4.0)  # strokes are rare: about one frame in fifty
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # an eighth quicker on a CPU

    def known(self, features: Tensor) -> Known:
        """What the heads hear."""
        before = torch.cat([features[:, :1], features[:, :-1]], dim=1)
        rise = torch.relu(features - before)
        maps = [torch.stack([features, rise], dim=1)]
        for layer in self.front:
            maps.append(layer(maps[-1]))
        batch, channels, frames, height = maps[-1].shape
        joined = maps[-1].permute(0, 1, 3, 2).reshape(batch, channels * height, frames)
        return Known(tuple(maps), self.steps(self.join(joined)))

    def strokes(self, known: Known) -> tuple[Tensor, Tensor]:
        """Logits of onsets and of velocities."""
        return self.onset(known.hidden).transpose(1, 2), self.velocity(known.hidden).transpose(1, 2)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of onsets and of velocities."""
        return self.strokes(self.known(features))


class _Rejoin(nn.Module):
    """Higher, with what the front knew at that height."""

    def __init__(self, before: int, beside: int, after: int, *, height: int, times: int) -> None:
        super().__init__()
        self.height, self.times = height, times
        self.wide = nn.Conv2d(before + beside, after, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(after)

    def forward(self, x: Tensor, beside: Tensor) -> Tensor:
        """(batch, after, frames, height), of `x` that is `times` lower."""
        # Not dim=-1: the exporter to ONNX makes a 3 of it, and of every other -1 with it.
        higher = x.repeat_interleave(self.times, dim=3)[..., : self.height]
        found: Tensor = torch.relu(self.norm(self.wide(torch.cat([higher, beside], dim=1))))
        return found


class MaskNetwork(nn.Module):
    """What a `KitNetwork` knows -> logits of whose each band is: of the components, then of none.

    The way back up of a U-Net (Ronneberger et al., MICCAI 2015), on a front that was trained to tell strokes.
    """

    def __init__(self, network: KitNetwork, widths: tuple[int, int, int, int] = (40, 32, 24, 16)) -> None:
        super().__init__()
        beside = [2, *network.widths]  # channels of the maps
        heights = _heights(network.bands)
        self._lowest = heights[-1]
        self.spread = nn.Conv1d(network.channels, widths[0] * self._lowest, 1)
        self.ups = nn.ModuleList(
            _Rejoin(before, own, after, height=height, times=1 if height == self._lowest else 2)
            for before, own, after, height in zip(
                (widths[0], *widths[:-1]), beside[::-1], widths, heights[::-1], strict=True
            )
        )
        self.last = nn.Conv2d(widths[-1], len(COMPONENTS) + 1, 1)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, known: Known) -> Tensor:
        """(batch, components + 1, frames, bands)."""
        batch, _, frames = known.hidden.shape
        x = self.spread(known.hidden).reshape(batch, -1, self._lowest, frames).transpose(2, 3)
        for up, beside in zip(self.ups, reversed(known.maps), strict=True):
            x = up(x, beside)
        found: Tensor = self.last(x)
        return found


class DeployedStrokes(nn.Module):
    """What hears strokes, as it is exported: probabilities and velocities 0 to 1."""

    def __init__(self, network: KitNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Onset probabilities and velocities, (batch, frames, classes)."""
        onsets, velocities = self.network(features)
        return torch.sigmoid(onsets), torch.sigmoid(velocities)


class DeployedMasks(nn.Module):
    """What shares the drums out, as it is exported: it has layers of its own."""

    def __init__(self, network: KitNetwork, masks: MaskNetwork) -> None:
        super().__init__()
        self.network, self.masks = network, masks

    def logits(self, features: Tensor) -> Tensor:
        """Of whose each band is, of the components, then of none: (batch, components + 1, frames, bands)."""
        found: Tensor = self.masks(self.network.known(features))
        return found

    def forward(self, features: Tensor) -> Tensor:
        """Shares 0 to 1, (batch, frames, components, bands)."""
        return torch.softmax(self.logits(features), dim=1)[:, :-1].transpose(1, 2)
