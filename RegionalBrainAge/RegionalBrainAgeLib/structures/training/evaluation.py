"""Compares found structures with label maps of heads that were not trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import torch

from ...anatomy.structures import GRAY_MATTER, GRAY_STRUCTURES, INTRACRANIAL
from ..model import GrayLine, StructureModel
from ..names import BACKGROUND, CLASSES, MEASURED_STRUCTURES, SIDE_WORDS, SIDES
from ..segmentation import StructureMap, segment_structures, window_of
from ..volumes import inside_mm3, measure_volumes
from .augmentation import plain
from .examples import Example
from .train import TrainingSettings, train_model


def cross_validate(
    examples: Sequence[Example], settings: TrainingSettings, folds: int, progress: Callable[[str], None]
) -> pd.DataFrame:
    """Volumes and Dice coefficients of every head by a network that did not see it.

    Head number n of the table belongs to fold n modulo `folds`: a table sorted by age gives folds of equal ages.

    Returns
    -------
    DataFrame, one row per head: id, the volumes (mm^3, aseg names), ``half:<name>`` of grey matter (mm^3, the half of
    the intracranial space it lies in), ``reference:<name>`` and ``dice:<name>``.
    """
    rows = []
    for fold in range(folds):
        seen = [example for n, example in enumerate(examples) if n % folds != fold]

        def tell(told: str, fold: int = fold) -> None:
            progress(f"fold {fold + 1} of {folds}, {told}")

        model = train_model(seen, settings, tell)
        rows += [evaluate_head(model, example) for n, example in enumerate(examples) if n % folds == fold]
    return pd.DataFrame(rows)


def evaluate_head(model: StructureModel, example: Example) -> dict[str, object]:
    """One row of `cross_validate`'s table."""
    found = segment_structures(
        example.bias_corrected, example.brain_mask, None, example.native_from_template, model, torch.get_num_threads()
    )
    volumes = measure_volumes(found).by_table_name()
    reference = reference_volumes(example)
    return {
        "id": example.name,
        **volumes,
        **{f"half:{name}": value for name, value in zip(GRAY_MATTER, inside_mm3(found).values(), strict=True)},
        **{f"reference:{name}": value for name, value in reference.items()},
        **{f"dice:{name}": value for name, value in _dice(found, example).items()},
    }


def reference_volumes(example: Example) -> dict[str, float]:
    """Volumes (mm^3) counted in the label map itself, by aseg name."""
    voxel_mm3 = example.reference.voxel_volume_ml * 1000.0
    counts = {
        side: np.bincount(labels.numpy().ravel(), minlength=len(CLASSES)) for side, labels in example.labels.items()
    }
    vermis = counts["L"][CLASSES.index("Vermis")]
    volumes = {}
    for name in MEASURED_STRUCTURES:
        word, _, kind = name.partition("-")
        side = next((side for side in SIDES if SIDE_WORDS[side] == word), None)
        if side is None:
            volumes[name] = counts["L"][CLASSES.index(name)] * voxel_mm3
        else:
            half_vermis = vermis / 2 if kind == "Cerebellum-Cortex" else 0.0
            volumes[name] = (counts[side][CLASSES.index(kind)] + half_vermis) * voxel_mm3
    for name, side in zip(GRAY_MATTER, SIDES, strict=True):
        parts = sum(volumes[f"{SIDE_WORDS[side]}-{kind}"] for kind in GRAY_STRUCTURES)
        volumes[name] = counts[side][CLASSES.index("Cerebral-Cortex")] * voxel_mm3 + parts
    volumes[INTRACRANIAL] = np.count_nonzero(example.reference.array) * voxel_mm3
    return volumes


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Agreement per structure over heads: correlation, slope, mean ratio, SD of the ratio, Dice."""
    rows = []
    for name in (*MEASURED_STRUCTURES, *GRAY_MATTER, INTRACRANIAL):
        measured, reference = table[name].to_numpy(float), table[f"reference:{name}"].to_numpy(float)
        ratio = measured / np.maximum(reference, 1e-6)
        rows.append(
            {
                "structure": name,
                "r": np.corrcoef(measured, reference)[0, 1],
                "slope": np.polyfit(reference, measured, 1)[0],
                "ratio": measured.mean() / reference.mean(),
                "ratio_sd": np.std(ratio, ddof=1),
                "dice": table[f"dice:{name}"].mean() if f"dice:{name}" in table else np.nan,
            }
        )
    return pd.DataFrame(rows)


def gray_line(table: pd.DataFrame) -> GrayLine:
    """The line of grey matter (see `GrayLine`) over the heads of `cross_validate`'s table, both sides together."""
    share = np.concatenate([table[name] / table[f"half:{name}"] for name in GRAY_MATTER])
    reference = np.concatenate(
        [table[f"reference:{name}"] / (table[f"reference:{INTRACRANIAL}"] / 2) for name in GRAY_MATTER]
    )
    slope, intercept = np.polyfit(reference, share, 1)
    return GrayLine(round(float(intercept), 5), round(float(slope), 5))


def _dice(found: StructureMap, example: Example) -> dict[str, float]:
    result = {}
    for name in (*MEASURED_STRUCTURES, INTRACRANIAL):
        word, _, kind = name.partition("-")
        side = next((side for side in SIDES if SIDE_WORDS[side] == word), None)
        window = window_of(BACKGROUND if name == INTRACRANIAL else kind if side else name)
        shared = both = 0.0
        for half in (side,) if side else SIDES:
            label = torch.from_numpy(found.halves[window.name, half]).argmax(dim=0).numpy()
            wanted = plain(example, half, window)[1].numpy()
            if name == INTRACRANIAL:
                mine, theirs = label != CLASSES.index(BACKGROUND), wanted != CLASSES.index(BACKGROUND)
            else:
                number = CLASSES.index(kind if side else name)
                mine, theirs = label == number, wanted == number
            weight = 1.0 if side else window.midline_weight
            shared += float(((mine & theirs) * weight).sum())
            both += float((mine.astype(float) * weight).sum() + (theirs.astype(float) * weight).sum())
        result[name] = 2 * shared / max(both, 1e-6)
    return result
