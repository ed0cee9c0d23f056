"""The card of a structure model: what it was trained on and how well it agrees with label maps it never saw."""

from __future__ import annotations

import math

import pandas as pd

from ...files.wording import RESEARCH_USE
from .train import TrainingSettings


def model_card(
    name: str, heads: int, data: str, settings: TrainingSettings, judged: str, agreement: pd.DataFrame | None
) -> str:
    """Markdown text.

    Parameters
    ----------
    data : what the training heads are: origin, label maps, terms.
    judged : sentence on how the agreement was measured.
    agreement : `evaluation.summary` over heads not trained on; None if it was not measured.
    """
    lines = [
        f"# Model card: {name}",
        "",
        f"**{RESEARCH_USE}**",
        "",
        "Volumes of ventricles, deep grey matter, cerebellum, brain stem, all grey matter of each side and the "
        "intracranial space from a T1-weighted head of any resolution up to 2 mm. Written by `regional-brain-age "
        "train-structures`.",
        "",
        "## Data",
        f"- {heads} heads. {data}",
        "- The weights hold no image and no label map of a person; the mean label map of all heads, at 8 mm, is part "
        "of them.",
        "",
        "## Model",
        "- Two U-Nets of three levels on half-brains of 2 mm in affine template space, the right half mirrored: one of "
        "the whole half, one of the ventricles and deep nuclei in it (channels "
        f"{' and '.join(str(tuple(channels)) for channels in settings.channels.values())}).",
        f"- {' and '.join(map(str, settings.steps.values()))} steps of one half-brain, seed {settings.seed}: moved, "
        "bent, with other contrast, resolution, shading and noise, at times stripped, cut, or with a hole where a "
        "lesion would be.",
        "- A volume is the sum of probabilities. The choroid plexus has no label in these maps and is part of the "
        "ventricles here.",
        "",
        "## Agreement with the label maps of heads not trained on",
    ]
    if agreement is None:
        return "\n".join([*lines, "Not measured (`--folds 0`).", ""])
    lines += [
        f"{judged} r and slope: correlation and regression over heads; ratio: mean volume over "
        "mean reference; SD: of the single ratios. What no information scores: r 0.",
        "",
        "Grey matter is that of a whole side, before its line (`gray_line` in structures.json) is read backwards.",
        "",
        "| structure | r | slope | ratio | SD | Dice |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.structure} | {row.r:.3f} | {row.slope:.2f} | {row.ratio:.3f} | {row.ratio_sd:.3f} | "
        f"{'-' if math.isnan(row.dice) else f'{row.dice:.3f}'} |"
        for row in agreement.itertuples()
    ]
    lines += [
        "",
        "The references are label maps of another program on the same images: agreement is not accuracy. Heads of "
        "other scanners may agree less.",
        "",
    ]
    return "\n".join(lines)
