"""Trains the structure networks on heads with label maps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch.nn import functional

from ..half_brain import DEEP, WHOLE, WINDOWS, Window
from ..model import StructureModel
from ..names import CLASSES, SIDES
from ..network import PRIOR_VOXELS, VOXELS_OF_CELL, StructureNetwork, to_cells
from .augmentation import Draw, draw, plain
from .examples import Example

# Voxels of each cell whose loss is computed in a step: two of eight, drawn anew, cost a quarter of all.
VOXELS_PER_STEP = 2
WARM_UP_STEPS, LONGEST_GRADIENT = 30, 2.0
WEIGHT_DECAY = 1e-4
# Dice (Milletari 2016) teaches small structures soon; cross-entropy, which leaves probabilities calibrated and so
# volumes unbiased, decides at the end.
DICE_WEIGHT_EARLY, DICE_WEIGHT_LATE, LATE_FROM = 1.0, 0.3, 0.7
# The weights kept are a moving average over the second half.
AVERAGE_FROM, AVERAGE_SHARE = 0.5, 0.02
SMALLEST_PRIOR = 2e-3


@dataclass(frozen=True)
class TrainingSettings:
    """What a training depends on, beside its heads.

    Parameters
    ----------
    steps, channels : by window: half-brains seen; features of the network (see `StructureNetwork`).
    learning_rate : the largest. seed : same seed, same weights (one thread).
    """

    steps: Mapping[str, int] = field(default_factory=lambda: {WHOLE.name: 800, DEEP.name: 1700})
    channels: Mapping[str, tuple[int, int, int]] = field(
        default_factory=lambda: {WHOLE.name: (16, 32, 48), DEEP.name: (32, 48, 64)}
    )
    learning_rate: float = 4e-3
    seed: int = 0


def train_model(
    examples: Sequence[Example], settings: TrainingSettings, progress: Callable[[str], None] | None = None
) -> StructureModel:
    """The networks of all windows, one after the other; `progress` is told a sentence every 20 steps."""
    networks = {}
    for window in WINDOWS:

        def tell(step: int, loss: float, name: str = window.name) -> None:
            if progress is not None:
                progress(f"{name} window, step {step}: loss {loss:.3f}")

        networks[window.name] = train_network(examples, window, settings, tell)
    return StructureModel(networks, settings.channels, {})


def train_network(
    examples: Sequence[Example],
    window: Window,
    settings: TrainingSettings,
    progress: Callable[[int, float], None] | None = None,
) -> StructureNetwork:
    """The network of one window trained on these heads, in evaluation mode.

    Parameters
    ----------
    progress : told step and mean loss every 20 steps.

    Both halves of every head come once per round, in random order. AdamW (Loshchilov 2019) with a cosine rate.
    """
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    steps = settings.steps[window.name]
    network = StructureNetwork(len(CLASSES), settings.channels[window.name], window.shape)
    # torch's stubs know memory formats of four dimensions only.
    network = network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    with torch.no_grad():
        network.prior.copy_(mean_log_probability(examples, window))
    optimizer = torch.optim.AdamW(
        network.parameters(), settings.learning_rate, weight_decay=WEIGHT_DECAY, betas=(0.9, 0.98)
    )
    kept: dict[str, torch.Tensor] = {}
    waiting: list[tuple[int, str]] = []
    losses: list[float] = []
    for step in range(steps):
        part = step / steps
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * _rate(step, part)
        waiting = waiting or [(n, side) for n in rng.permutation(len(examples)) for side in rng.permutation(SIDES)]
        number, side = waiting.pop()
        loss = _step_loss(network, draw(examples[number], str(side), window, rng), rng, part)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), LONGEST_GRADIENT)
        optimizer.step()
        if part >= AVERAGE_FROM:
            kept = _averaged(kept, network.state_dict())
        losses.append(loss.item())
        if progress is not None and len(losses) == 20:
            progress(step + 1, float(np.mean(losses)))
            losses.clear()
    network.load_state_dict(kept)
    return network.to(memory_format=torch.contiguous_format).eval()


def mean_log_probability(examples: Sequence[Example], window: Window) -> torch.Tensor:
    """Log of each class's share in coarse blocks of the half-brain, over the heads; shape of the network's prior."""
    total = torch.zeros(())
    for example in examples:
        for side in SIDES:
            classes = plain(example, side, window)[1][::2, ::2, ::2]
            hot = functional.one_hot(classes, len(CLASSES)).movedim(-1, 0).float()
            total = total + functional.avg_pool3d(hot[None], PRIOR_VOXELS // 2)
    smooth = functional.avg_pool3d(total / (2 * len(examples)), 3, 1, 1, count_include_pad=False)
    return torch.log(smooth + SMALLEST_PRIOR)


def _rate(step: int, part: float) -> float:
    return min(1.0, (step + 1) / WARM_UP_STEPS) * (0.5 * (1.0 + math.cos(math.pi * part)) + 0.005)


def _step_loss(network: StructureNetwork, sample: Draw, rng: np.random.Generator, part: float) -> torch.Tensor:
    chosen = [int(n) for n in rng.choice(VOXELS_OF_CELL, VOXELS_PER_STEP, replace=False)]
    logits = network(sample.half.to(memory_format=torch.channels_last_3d), chosen)
    classes = to_cells(sample.classes[None, None])[0][chosen]
    weight = to_cells(sample.weight[None, None])[0][chosen]
    return loss_of(logits, classes, weight, DICE_WEIGHT_EARLY if part < LATE_FROM else DICE_WEIGHT_LATE)


def loss_of(logits: torch.Tensor, classes: torch.Tensor, weight: torch.Tensor, dice_weight: float) -> torch.Tensor:
    """Weighted cross-entropy plus soft Dice loss; `logits` (V, C, I, J, K), `classes` and `weight` (V, I, J, K)."""
    entropy = functional.cross_entropy(logits, classes, reduction="none")
    hot = functional.one_hot(classes, logits.shape[1]).movedim(-1, 1).float()
    probability, counted = logits.softmax(dim=1), weight[:, None]
    over = (0, 2, 3, 4)
    shared = (probability * hot * counted).sum(over)
    both = ((probability + hot) * counted).sum(over)
    present = (hot * counted).sum(over) > 2
    dice = (2 * shared / (both + 1e-3))[present].mean()
    return (entropy * weight).sum() / weight.sum() + dice_weight * (1.0 - dice)


def _averaged(kept: dict[str, torch.Tensor], now: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    if not kept:
        return {name: value.clone() for name, value in now.items()}
    return {name: torch.lerp(value, now[name], AVERAGE_SHARE) for name, value in kept.items()}
