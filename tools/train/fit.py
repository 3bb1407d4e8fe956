"""The training loop: excerpts are rendered as it goes, checkpoints let it go on where it was stopped."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from bridge.drums.kit_features import Array, bands, compressed, magnitudes
from tools.train.excerpts import FRAMES, Example, Store
from tools.train.model import DeployedStrokes, KitNetwork
from tools.train.schedule import Schedule, saved_at_the_end
from tools.train.scores import Judged, best_thresholds, decided, judged, report
from tools.train.shipped import MEASURED, begin_with_shipped


@dataclass(frozen=True, slots=True)
class Plan(Schedule):
    """How strokes are learnt.

    Attributes
    ----------
    judge_steps
        Steps between judgements.
    velocity_weight
        Of the velocities' squared error beside the onsets' cross-entropy.
    soft_weight
        How much more than a loud stroke a barely struck one counts; nothing from half of full velocity on. Otherwise
        soft strokes, few and hardly heard, are not worth learning.
    band_chance, band_db
        How often a band plays along with an excerpt, and between which levels re the drums: on the fly, so that no two
        mixes are alike.
    channels
        Of the network.
    """

    steps: int = 14_000
    batch: int = 8
    first: int = 2500
    fresh: float = 1.0
    warm: int = 100
    smooth: float = 0.998
    judge_steps: int = 1000
    velocity_weight: float = 0.3
    soft_weight: float = 2.0
    band_chance: float = 0.35
    band_db: tuple[float, float] = (-22.0, 6.0)
    channels: int = 128


@dataclass(slots=True)
class State:
    """What a checkpoint holds."""

    network: KitNetwork
    averaged: KitNetwork
    optimiser: torch.optim.Optimizer
    step: int = 0
    spent_s: float = 0.0

    @classmethod
    def begun(cls, plan: Plan, device: str) -> State:
        """An untrained network."""
        torch.manual_seed(0)
        network, averaged = (KitNetwork(bands(), plan.channels).to(device) for _ in range(2))
        averaged.load_state_dict(network.state_dict())
        return cls(network, averaged.eval(), torch.optim.AdamW(network.parameters(), lr=plan.rate, weight_decay=0.01))

    def begin_with(self, path: Path, device: str) -> None:
        """Take the averaged weights of another run's checkpoint, and nothing else of it."""
        weights = torch.load(path, map_location=device, weights_only=True)["averaged"]
        self.network.load_state_dict(weights)
        self.averaged.load_state_dict(weights)

    def save(self, path: Path) -> None:
        """Write all of it, at once."""
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(".tmp")
        kept = {
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "spent_s": self.spent_s,
        }
        torch.save(kept, scratch)
        scratch.replace(path)

    def load(self, path: Path, device: str) -> None:
        """Go on from a checkpoint."""
        kept = torch.load(path, map_location=device, weights_only=True)
        self.network.load_state_dict(kept["network"])
        self.averaged.load_state_dict(kept["averaged"])
        self.optimiser.load_state_dict(kept["optimiser"])
        self.step, self.spent_s = kept["step"], kept["spent_s"]

    def average(self, plan: Plan) -> None:
        """Move the averaged weights towards the present ones; faster at first, when there is nothing to average."""
        averaged_into(self.averaged, self.network, min(plan.smooth, (1 + self.step) / (10 + self.step)))


def refuse_nonsense(loss: Tensor, step: int) -> None:
    """Stop before weights that are no numbers take the place of good ones."""
    if not bool(torch.isfinite(loss)):
        raise FloatingPointError(f"the loss of step {step} is {float(loss)}; the last checkpoint stands")


def averaged_into(averaged: nn.Module, network: nn.Module, keep: float) -> None:
    """Move averaged weights towards a network's present ones; `keep` is the share of them that stays."""
    with torch.no_grad():
        for old, new in zip(averaged.parameters(), network.parameters(), strict=True):
            old.lerp_(new, 1 - keep)
        for kept, seen in zip(averaged.buffers(), network.buffers(), strict=True):
            kept.lerp_(seen, 1 - keep) if kept.is_floating_point() else kept.copy_(seen)


@dataclass(frozen=True, slots=True)
class Stores:
    """What is learnt from.

    Attributes
    ----------
    drums
        Excerpts with strokes.
    bands
        What plays along with them: without strokes.
    """

    drums: Store[Example]
    bands: Store[Example]


def train(
    stores: Stores,
    judges: dict[str, Store[Example]],
    plan: Plan,
    checkpoint: Path,
    device: str = "cpu",
    first: Path | None = None,
) -> State:
    """Train until the plan's last step, from the checkpoint where there is one, else from the weights of `first`."""
    state = State.begun(plan, device)
    if checkpoint.exists():
        state.load(checkpoint, device)
        print(f"goes on from step {state.step}", flush=True)
    elif first is not None:
        _begin_with(state, first, stores, plan, device)
        print(f"begins with the weights of {first.stem}", flush=True)
    with saved_at_the_end(lambda: state.save(checkpoint)):
        _go_on(state, stores, judges, plan, checkpoint, device)
    return state


def _begin_with(state: State, first: Path, stores: Stores, plan: Plan, device: str) -> None:
    """Take the weights of a checkpoint, or of a file that was exported."""
    if first.suffix != ".onnx":
        state.begin_with(first, device)
        return
    heard = [stores.drums[number].features for number in range(min(MEASURED, plan.known(0, stores.drums.most)))]
    begin_with_shipped(DeployedStrokes(state.network), first, torch.from_numpy(np.stack(heard)).to(device))
    state.averaged.load_state_dict(state.network.state_dict())


def _go_on(
    state: State, stores: Stores, judges: dict[str, Store[Example]], plan: Plan, checkpoint: Path, device: str
) -> None:
    saved, losses = time.monotonic(), []
    while state.step < plan.steps:
        begun = time.monotonic()
        losses.append(_step(state, _batch(stores, state.step, plan), plan, device))
        state.spent_s += time.monotonic() - begun
        if state.step % 20 == 0:
            onset, velocity = np.mean(losses, axis=0)
            hours = state.spent_s / 3600
            print(f"step {state.step} onset {onset:.5f} velocity {velocity:.5f} hours {hours:.2f}", flush=True)
            losses.clear()
        if state.step % plan.judge_steps == 0:
            cases = judge(state.averaged, judges, device)
            print(report(decided(cases, best_thresholds(cases))), flush=True)
        if time.monotonic() - saved > plan.save_s:
            state.save(checkpoint)
            saved = time.monotonic()


def _batch(stores: Stores, step: int, plan: Plan) -> list[tuple[Array, Example]]:
    """Features as the step hears them, with the excerpts that they come from.

    Excerpts are drawn from those that the step may know; the newest are among them.
    """
    rng = np.random.default_rng([step, 1])
    known = plan.known(step, stores.drums.most)
    newest = [number for number in range(known - math.ceil(plan.fresh), known) if known < stores.drums.most]
    drawn = rng.choice(known, max(0, plan.batch - len(newest)), replace=known < plan.batch)
    batch = []
    for number in [*newest, *drawn]:
        one = stores.drums[int(number)]
        heard = one.features
        if rng.random() < plan.band_chance:
            band = stores.bands[int(rng.integers(min(known, stores.bands.most)))].features
            heard = together(heard, np.roll(band, int(rng.integers(FRAMES)), axis=0), rng.uniform(*plan.band_db))
        batch.append((altered(heard, rng), one))
    return batch


def _step(state: State, batch: list[tuple[Array, Example]], plan: Plan, device: str) -> tuple[float, float]:
    features = torch.from_numpy(np.stack([heard for heard, _ in batch])).to(device)
    targets = [one.targets() for _, one in batch]
    onsets, velocities = (torch.from_numpy(np.stack(column)).to(device) for column in zip(*targets, strict=True))
    state.network.train()
    torch.manual_seed(state.step)  # what is dropped out is the same again after a stop
    with torch.autocast(device, dtype=torch.bfloat16, enabled=quicker_in_bfloat16(device)):
        found, loud = state.network(features)
    onset, velocity = losses_of(found.float(), loud.float(), onsets, velocities, plan.soft_weight)
    refuse_nonsense(onset, state.step)
    for group in state.optimiser.param_groups:
        group["lr"] = plan.rate_at(state.step)
    state.optimiser.zero_grad(set_to_none=True)
    (onset + plan.velocity_weight * velocity).backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(state.network.parameters(), 0.5)
    state.optimiser.step()
    state.step += 1
    state.average(plan)
    return float(onset.detach()), float(velocity.detach())


def quicker_in_bfloat16(device: str) -> bool:
    """Whether half precision saves time (40 % on a CPU that has it): elsewhere it is emulated, and slower."""
    return device == "cpu" and torch.cpu._is_avx512_bf16_supported()


def losses_of(
    found: Tensor, loud: Tensor, onsets: Tensor, velocities: Tensor, soft_weight: float
) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the onsets, and squared error of the velocities where there are strokes."""
    weights = 1.0 + soft_weight * onsets * (1.0 - 2.0 * velocities).clamp(min=0.0)
    onset = functional.binary_cross_entropy_with_logits(found, onsets, weights)
    struck = (onsets > 0.4).float()
    velocity = (struck * (torch.sigmoid(loud) - velocities) ** 2).sum() / struck.sum().clamp(min=1)
    return onset, velocity


def together(one: Array, other: Array, level_db: float) -> Array:
    """Features of two recordings played at once, the other at `level_db`: their powers add up, nearly."""
    gain = np.float32(10 ** (level_db / 20))
    return compressed(np.hypot(magnitudes(one), gain * magnitudes(other)))


def altered(features: Array, rng: np.random.Generator) -> Array:
    """Features as of a recording with another level and tone: a random curve over the bands, before compression.

    Mostly quieter: a song's level is that of its loud moments, and a verse lies below.
    """
    count = features.shape[1]
    curve_db = rng.uniform(-14, 6) + np.interp(np.arange(count), np.linspace(0, count, 6), rng.uniform(-5, 5, 6))
    gain = np.asarray(10 ** (curve_db / 20), dtype=np.float32)
    if rng.random() < 0.15:  # a record without the highest
        edge = int(rng.integers(1, count // 5))
        gain[-edge:] *= np.float32(10 ** (rng.uniform(-60, -10) / 20))
    if rng.random() < 0.3:  # a narrow cut or resonance
        centre, width = rng.uniform(0, count), rng.uniform(0.7, 4.0)
        bell = np.exp(-0.5 * np.square((np.arange(count) - centre) / width))
        gain *= np.asarray(10 ** (rng.uniform(-24, 9) * bell / 20), dtype=np.float32)
    heard = magnitudes(features)
    if rng.random() < 0.5:  # all drums tuned up or down, by less than makes a low tom a high one
        heard = shifted(heard, rng.uniform(-1.5, 1.5))
    return compressed(heard * gain)


def shifted(magnitude: Array, by_bands: float) -> Array:
    """Magnitudes of a sound whose every band lies `by_bands` higher; at the edge the last one stays."""
    places = np.clip(np.arange(magnitude.shape[1]) - by_bands, 0, magnitude.shape[1] - 1)
    low = np.floor(places).astype(np.intp)
    high = np.minimum(low + 1, magnitude.shape[1] - 1)
    part = (places - low).astype(np.float32)
    return np.asarray(magnitude[:, low] * (1 - part) + magnitude[:, high] * part, dtype=np.float32)


def judge(network: KitNetwork, judges: dict[str, Store[Example]], device: str) -> list[Judged]:
    """Every judging excerpt, heard by the network."""
    cases = []
    network.eval()
    with torch.inference_mode():
        for library, store in judges.items():
            for number in range(store.most):
                one = store[number]
                onsets, velocities = network(torch.from_numpy(one.features[None]).to(device))
                truth = one.strokes[:, [0, 1, 2]]
                cases.append(
                    judged(
                        library,
                        truth,
                        torch.sigmoid(onsets)[0].cpu().numpy(),
                        torch.sigmoid(velocities)[0].cpu().numpy(),
                    )
                )
    return cases
