"""The network: convolutions over the spectrogram, then dilated ones over time, two heads.

Dilated convolutions instead of a recurrent layer (Davies & Böck, EUSIPCO 2019, for beats): as good there, quicker to
train on a CPU, and of finite reach, so that a long recording can be taken in windows that give the same as one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tools.train.libraries import KINDS

#: Frames to each side that an output depends on, at most; windows overlap by this much.
DILATIONS = (1, 2, 4, 8, 16, 32, 64, 96)
KERNEL = 5


def reach() -> int:
    """Frames before and after one that its outputs depend on."""
    return sum(DILATIONS) * (KERNEL // 2) + 3 + 1


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
        self.front = nn.Sequential(_Front(2, front[0], 5), _Front(front[0], front[1], 3), _Front(front[1], front[2], 3))
        height = bands
        for _ in front:
            height = (height + 1) // 2
        self.join = nn.Sequential(
            nn.Conv1d(front[2] * height, channels, 1, bias=False), nn.BatchNorm1d(channels), nn.ReLU()
        )
        self.steps = nn.Sequential(*(_Step(channels, dilation) for dilation in DILATIONS))
        self.onset = nn.Conv1d(channels, len(KINDS), 1)
        self.velocity = nn.Conv1d(channels, len(KINDS), 1)
        assert self.onset.bias is not None
        nn.init.constant_(self.onset.bias, -4.0)  # strokes are rare: about one frame in fifty
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # an eighth quicker on a CPU

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of onsets and of velocities."""
        rise = torch.relu(features[:, 1:] - features[:, :-1])
        rise = torch.nn.functional.pad(rise, (0, 0, 1, 0))
        maps = self.front(torch.stack([features, rise], dim=1))
        batch, channels, frames, height = maps.shape
        joined = maps.permute(0, 1, 3, 2).reshape(batch, channels * height, frames)
        hidden = self.steps(self.join(joined))
        return self.onset(hidden).transpose(1, 2), self.velocity(hidden).transpose(1, 2)


class Deployed(nn.Module):
    """The network as it is exported: probabilities and velocities 0 to 1."""

    def __init__(self, network: KitNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Onset probabilities and velocities."""
        onsets, velocities = self.network(features)
        return torch.sigmoid(onsets), torch.sigmoid(velocities)
