"""Training of the masks that give component stems, on what a trained network already knows.

The network itself stays as it is: its strokes are not made worse by what masks would like to know.
"""

from __future__ import annotations

import hashlib
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bridge.drums.kit_features import Array, band_weights, magnitudes
from bridge.model import COMPONENTS
from tools.train.excerpts import Layers, Store
from tools.train.fit import altered, averaged_into, quicker_in_bfloat16, refuse_nonsense
from tools.train.model import KitNetwork, MaskNetwork
from tools.train.schedule import Schedule, saved_at_the_end

#: A component is heard in an excerpt when it has this share of its energy.
_LEAST_SHARE = 1e-3
#: An error this far below a component's energy (-20 dB) is small enough.
_SMALL = 1e-2
#: What all that is given to components that aren't there counts for.
_LEAKED = 5.0
_QUIET = 1e-9


@dataclass(frozen=True, slots=True)
class MaskPlan(Schedule):
    """How masks are learnt."""

    steps: int = 1100
    batch: int = 4
    first: int = 60
    fresh: float = 0.25
    warm: int = 50
    smooth: float = 0.995


@dataclass(slots=True)
class MaskState:
    """What a checkpoint holds; `digest` is of the network that the masks are for."""

    masks: MaskNetwork
    averaged: MaskNetwork
    optimiser: torch.optim.Optimizer
    digest: str
    step: int = 0

    @classmethod
    def begun(cls, network: KitNetwork, plan: MaskPlan) -> MaskState:
        """Untrained masks for a network."""
        torch.manual_seed(1)
        device = next(network.parameters()).device
        masks, averaged = (MaskNetwork(network).to(device) for _ in range(2))
        averaged.load_state_dict(masks.state_dict())
        optimiser = torch.optim.AdamW(masks.parameters(), lr=plan.rate, weight_decay=0.01)
        return cls(masks, averaged.eval(), optimiser, _digest(network))

    def save(self, path: Path) -> None:
        """Write all of it, at once."""
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(".tmp")
        kept = {"masks": self.masks.state_dict(), "averaged": self.averaged.state_dict(), "digest": self.digest}
        torch.save({**kept, "optimiser": self.optimiser.state_dict(), "step": self.step}, scratch)
        scratch.replace(path)

    def load(self, path: Path) -> bool:
        """Go on from a checkpoint; False where that is of masks for another network."""
        kept = torch.load(path, weights_only=True)
        if kept["digest"] != self.digest:
            return False
        self.masks.load_state_dict(kept["masks"])
        self.averaged.load_state_dict(kept["averaged"])
        self.optimiser.load_state_dict(kept["optimiser"])
        self.step = kept["step"]
        return True


def _digest(network: KitNetwork) -> str:
    weights = b"".join(value.detach().float().cpu().numpy().tobytes() for value in network.state_dict().values())
    return hashlib.sha256(weights).hexdigest()


def train_masks(network: KitNetwork, store: Store[Layers], plan: MaskPlan, checkpoint: Path) -> MaskState:
    """Train until the plan's last step, from the checkpoint where there is one for this very network."""
    state = MaskState.begun(network, plan)
    if checkpoint.exists() and state.load(checkpoint):
        print(f"goes on from step {state.step}", flush=True)
    network.eval()
    with saved_at_the_end(lambda: state.save(checkpoint)):
        _go_on(state, network, store, plan, checkpoint)
    return state


def _go_on(state: MaskState, network: KitNetwork, store: Store[Layers], plan: MaskPlan, checkpoint: Path) -> None:
    saved, losses = time.monotonic(), []
    while state.step < plan.steps:
        losses.append(_step(state, network, store, plan))
        if state.step % 20 == 0:
            print(f"step {state.step} masks {np.mean(losses):.5f}", flush=True)
            losses.clear()
        if time.monotonic() - saved > plan.save_s:
            state.save(checkpoint)
            saved = time.monotonic()


def _step(state: MaskState, network: KitNetwork, store: Store[Layers], plan: MaskPlan) -> float:
    rng = np.random.default_rng([state.step, 2])
    known = plan.known(state.step, store.most)
    examples = [store[int(number)] for number in rng.choice(known, plan.batch, replace=known < plan.batch)]
    device = next(network.parameters()).device
    features, shares, power = (
        torch.from_numpy(np.stack(column)).to(device)
        for column in (
            [altered(one.features, rng) for one in examples],
            [one.shares() for one in examples],
            [_power(one.features) for one in examples],
        )
    )
    state.masks.train()
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=quicker_in_bfloat16(device.type)):
        with torch.no_grad():
            heard = network.known(features)
        found = state.masks(heard)
    loss = mask_loss(found.float(), shares, power)
    refuse_nonsense(loss, state.step)
    for group in state.optimiser.param_groups:
        group["lr"] = plan.rate_at(state.step)
    state.optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(state.masks.parameters(), 0.5)
    state.optimiser.step()
    state.step += 1
    averaged_into(state.averaged, state.masks, min(plan.smooth, (1 + state.step) / (10 + state.step)))
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


def judge_masks(network: KitNetwork, masks: MaskNetwork, store: Store[Layers]) -> dict[str, float]:
    """Mean ratio (dB) of each component's energy to its error's, over the excerpts in which it is heard.

    As `mask_loss` has it: without phases, for comparing one training with another.
    """
    ratios: dict[str, list[float]] = {name: [] for name in COMPONENTS}
    device = next(network.parameters()).device
    network.eval(), masks.eval()
    with torch.inference_mode():
        for number in range(store.most):
            one = store[number]
            features = torch.from_numpy(one.features[None]).to(device)
            found = torch.softmax(masks(network.known(features)), dim=1)[0].cpu().numpy()
            power, shares = _power(one.features), one.shares()
            for place, name in enumerate(COMPONENTS):
                own = float((power * np.square(shares[place])).sum())
                if own > _LEAST_SHARE * float(power.sum()):
                    error = float((power * np.square(found[place] - shares[place])).sum())
                    ratios[name].append(10 * math.log10(own / max(error, _QUIET)))
    return {name: float(np.mean(values)) for name, values in ratios.items() if values}
