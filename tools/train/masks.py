"""Training of the masks that give component stems, which begin with what a trained network already knows.

They learn with layers of their own, which start as the network's: its strokes are not made worse by what masks would
like to know, nor masks by what strokes need.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bridge.drums.kit_features import Array, band_weights, bands, compressed, magnitudes
from bridge.model import COMPONENTS
from tools.train.excerpts import Layers, Store
from tools.train.fit import altered, averaged_into, quicker_in_bfloat16, refuse_nonsense, shifted
from tools.train.model import DeployedMasks, KitNetwork, MaskNetwork
from tools.train.schedule import Schedule, saved_at_the_end
from tools.train.shipped import MEASURED, begin_with_shipped

#: A component is heard in an excerpt when it has this share of its energy.
_LEAST_SHARE = 1e-3
#: An error this far below a component's energy (-20 dB) is small enough.
_SMALL = 1e-2
#: What all that is given to components that aren't there counts for.
_LEAKED = 5.0
_QUIET = 1e-9


@dataclass(frozen=True, slots=True)
class MaskPlan(Schedule):
    """How masks are learnt.

    Attributes
    ----------
    mingled
        How often an excerpt is put together from two: kicks of one, hats of another.
    part_db
        Between which levels a part of such an excerpt is drawn, relative to its own.
    channels
        Of the network.
    """

    steps: int = 2400
    batch: int = 4
    first: int = 400
    fresh: float = 0.5
    warm: int = 100
    smooth: float = 0.997
    rate: float = 1.5e-3
    mingled: float = 0.6
    part_db: tuple[float, float] = (-10.0, 8.0)
    channels: int = 128


@dataclass(slots=True)
class MaskState:
    """What a checkpoint holds."""

    learning: DeployedMasks
    averaged: DeployedMasks
    optimiser: torch.optim.Optimizer
    step: int = 0

    @classmethod
    def begun(cls, plan: MaskPlan, device: str) -> MaskState:
        """Untrained masks."""
        torch.manual_seed(1)
        learning, averaged = (_masks(plan.channels).to(device) for _ in range(2))
        averaged.load_state_dict(learning.state_dict())
        optimiser = torch.optim.AdamW(learning.parameters(), lr=plan.rate, weight_decay=0.01)
        return cls(learning, averaged.eval(), optimiser)

    def begin_with(self, network: KitNetwork) -> None:
        """Take the layers of what hears strokes."""
        for masks in (self.learning, self.averaged):
            masks.network.load_state_dict(network.state_dict())

    def save(self, path: Path) -> None:
        """Write all of it, at once."""
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(".tmp")
        kept = {"learning": self.learning.state_dict(), "averaged": self.averaged.state_dict()}
        torch.save({**kept, "optimiser": self.optimiser.state_dict(), "step": self.step}, scratch)
        scratch.replace(path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint."""
        device = next(self.learning.parameters()).device
        kept = torch.load(path, map_location=device, weights_only=True)
        self.learning.load_state_dict(kept["learning"])
        self.averaged.load_state_dict(kept["averaged"])
        self.optimiser.load_state_dict(kept["optimiser"])
        self.step = kept["step"]


def _masks(channels: int) -> DeployedMasks:
    network = KitNetwork(bands(), channels)
    for head in (network.onset, network.velocity):
        head.requires_grad_(False)  # masks don't hear them
    return DeployedMasks(network, MaskNetwork(network))


def train_masks(
    first: KitNetwork | Path, store: Store[Layers], plan: MaskPlan, checkpoint: Path, device: str
) -> MaskState:
    """Train until the plan's last step, from the checkpoint where there is one.

    Else from `first`: a network for strokes, or masks that were exported.
    """
    state = MaskState.begun(plan, device)
    if checkpoint.exists():
        state.load(checkpoint)
        print(f"goes on from step {state.step}", flush=True)
    elif isinstance(first, KitNetwork):
        state.begin_with(first)
    else:
        heard = [store[number].features for number in range(min(MEASURED, plan.known(0, store.most)))]
        begin_with_shipped(state.learning, first, torch.from_numpy(np.stack(heard)).to(device))
        state.averaged.load_state_dict(state.learning.state_dict())
        print(f"begins with the masks of {first.stem}", flush=True)
    with saved_at_the_end(lambda: state.save(checkpoint)):
        _go_on(state, store, plan, checkpoint)
    return state


def _go_on(state: MaskState, store: Store[Layers], plan: MaskPlan, checkpoint: Path) -> None:
    saved, losses = time.monotonic(), []
    while state.step < plan.steps:
        losses.append(_step(state, store, plan))
        if state.step % 20 == 0:
            print(f"step {state.step} masks {np.mean(losses):.5f}", flush=True)
            losses.clear()
        if time.monotonic() - saved > plan.save_s:
            state.save(checkpoint)
            saved = time.monotonic()


def _batch(store: Store[Layers], step: int, plan: MaskPlan) -> list[tuple[Array, Layers]]:
    """Features as the step hears them, and of what they consist."""
    rng = np.random.default_rng([step, 2])
    known = plan.known(step, store.most)
    drawn = [store[int(number)] for number in rng.choice(known, plan.batch, replace=known < plan.batch)]
    heard = []
    for place, one in enumerate(drawn):
        if rng.random() < plan.mingled:
            one = mingled((one, drawn[place - 1]), plan.part_db, rng)
        heard.append((altered(one.features, rng), one))
    return heard


def mingled(excerpts: Sequence[Layers], part_db: tuple[float, float], rng: np.random.Generator) -> Layers:
    """An excerpt that was never rendered: each part from one of several, at a level, tone and moment of its own.

    Powers add up, nearly, as in `tools.train.fit.together`.
    """
    parts = []
    for place in range(len(COMPONENTS) + 1):
        heard = magnitudes(excerpts[int(rng.integers(len(excerpts)))].parts[place])
        count = heard.shape[1]
        curve_db = rng.uniform(*part_db) + np.interp(np.arange(count), np.linspace(0, count, 5), rng.uniform(-6, 6, 5))
        heard = shifted(heard * (10 ** (curve_db / 20)).astype(np.float32), rng.uniform(-1.5, 1.5))
        parts.append(np.roll(heard, int(rng.integers(len(heard))), axis=0))
    whole = np.sqrt(np.square(np.stack(parts)).sum(axis=0))
    return Layers(compressed(whole), compressed(np.stack(parts)))


def _step(state: MaskState, store: Store[Layers], plan: MaskPlan) -> float:
    batch = _batch(store, state.step, plan)
    device = next(state.learning.parameters()).device
    features, shares, power = (
        torch.from_numpy(np.stack(column)).to(device)
        for column in (
            [heard for heard, _ in batch],
            [one.shares() for _, one in batch],
            [_power(one.features) for _, one in batch],
        )
    )
    state.learning.train()
    torch.manual_seed(state.step)  # what is dropped out is the same again after a stop
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=quicker_in_bfloat16(device.type)):
        found = state.learning.logits(features)
    loss = mask_loss(found.float(), shares, power)
    refuse_nonsense(loss, state.step)
    for group in state.optimiser.param_groups:
        group["lr"] = plan.rate_at(state.step)
    state.optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(state.learning.parameters(), 0.5)
    state.optimiser.step()
    state.step += 1
    averaged_into(state.averaged, state.learning, min(plan.smooth, (1 + state.step) / (10 + state.step)))
    return float(loss.detach())


def mask_loss(found: Tensor, shares: Tensor, power: Tensor) -> Tensor:
    """How far below each part's energy its error lies, in nepers of energy; the mean of the parts that are heard.

    That is the signal-to-distortion ratio that a listener's stems are judged by, with all parts alike: otherwise kick
    and snare, which have nearly all the energy, would be all that is learnt. What parts get that aren't heard is added
    as a share of the whole. The share that is right on average in power is the gain that is right for the signal
    (Wiener).

    Parameters
    ----------
    found
        Logits, (batch, parts, frames, bands).
    shares
        What they should be, 0 to 1, of that shape.
    power
        Energy of the whole, (batch, frames, bands).
    """
    error = (power[:, None] * torch.square(torch.softmax(found, dim=1) - shares)).sum(dim=(2, 3))
    own = (power[:, None] * torch.square(shares)).sum(dim=(2, 3))
    whole = power.sum(dim=(1, 2))[:, None] + _QUIET
    heard = (own > _LEAST_SHARE * whole).float()
    ratio = torch.log(error / (own + _QUIET) + _SMALL)
    leaked = (1 - heard) * error / whole
    return (heard * ratio).sum() / heard.sum().clamp(min=1) + _LEAKED * leaked.sum() / len(power)


def _power(features: Array) -> Array:
    """Energy by band: a wide band's magnitude is a mean of many bins."""
    return np.asarray(np.square(magnitudes(features)) / np.square(band_weights()).sum(axis=0), dtype=np.float32)


def judge_masks(masks: DeployedMasks, store: Store[Layers]) -> dict[str, float]:
    """Mean ratio (dB) of each component's energy to its error's, over the excerpts in which it is heard.

    As `mask_loss` has it: without phases, for comparing one training with another.
    """
    ratios: dict[str, list[float]] = {name: [] for name in COMPONENTS}
    device = next(masks.parameters()).device
    masks.eval()
    with torch.inference_mode():
        for number in range(store.most):
            one = store[number]
            found = masks(torch.from_numpy(one.features[None]).to(device))[0].permute(1, 0, 2).cpu().numpy()
            power, shares = _power(one.features), one.shares()
            for place, name in enumerate(COMPONENTS):
                own = float((power * np.square(shares[place])).sum())
                if own > _LEAST_SHARE * float(power.sum()):
                    error = float((power * np.square(found[place] - shares[place])).sum())
                    ratios[name].append(10 * math.log10(own / max(error, _QUIET)))
    return {name: float(np.mean(values)) for name, values in ratios.items() if values}
