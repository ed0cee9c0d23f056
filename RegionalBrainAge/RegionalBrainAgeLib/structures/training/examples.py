"""Heads with label maps, prepared as a case prepares them: brain mask, shading, affine alignment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ...errors import InputError
from ...files.images import read_labels, read_t1
from ...files.tables import read_table
from ...geometry.image import Image, same_grid, to_canonical
from ...head.affine import align_affinely
from ...head.brain_mask import extract_brain
from ...head.shading import correct_bias
from ..names import CLASSES, SIDES
from ..segmentation import network_intensities
from .muse_labels import KNOWN_CODES, class_of_code

FEWEST_HEADS = 2
LARGEST_SIDE_RATIO = 2.0


@dataclass(frozen=True)
class Example:
    """A head to learn from.

    Parameters
    ----------
    name : its id.
    t1 : intensities as the network sees them, float32, white matter about 1.
    brain : brain mask, 0..1, float32, same shape.
    labels : for "L" and "R" the class of every voxel as seen from that half, uint8.
    ras_from_ijk, native_from_template : ndarrays, shape (4, 4).
    reference : the label map as given (MUSE codes), on the T1's grid.
    bias_corrected, brain_mask : what a case hands to `segment_structures`.
    """

    name: str
    t1: torch.Tensor
    brain: torch.Tensor
    labels: dict[str, torch.Tensor]
    native_from_template: np.ndarray
    reference: Image
    bias_corrected: Image
    brain_mask: Image

    @property
    def ras_from_ijk(self) -> np.ndarray:
        """Geometry of the reference labels."""
        return self.reference.ras_from_ijk


def read_examples(table: Path, threads: int, progress: Callable[[str], None] | None = None) -> list[Example]:
    """Reads and prepares the heads of a table.

    Parameters
    ----------
    table : TSV with the columns id, t1 and labels (or dlmuse); paths start at its folder. Rows without labels are left
        out.
    progress : told a sentence for every head.

    Raises
    ------
    InputError : a missing column or file, labels on another grid, or codes that MUSE does not have.
    """
    rows = _rows(table)
    examples = []
    for number, (name, t1, labels) in enumerate(rows, start=1):
        codes = _read_codes(labels)
        lopsided = lopsided_class(codes.array)
        if lopsided is None:
            examples.append(_prepare(name, t1, codes, threads))
        if progress is not None:
            told = "" if lopsided is None else f", left out: its {lopsided} is more than twice as large on one side"
            progress(f"head {number} of {len(rows)}: {name}{told}")
    if len(examples) < FEWEST_HEADS:
        raise InputError(
            f"The table {table} holds {len(examples)} heads with sound label maps.", f"Give {FEWEST_HEADS} or more."
        )
    return examples


def lopsided_class(codes: np.ndarray) -> str | None:
    """The first paired structure that a label map holds twice as much of on one side as on the other, or None.

    Automatic label maps fail on one side at times; of 76 DLMUSE maps at hand two lack most of the left.
    """
    volumes = {side: np.bincount(class_of_code(side)[codes].ravel(), minlength=len(CLASSES)) for side in SIDES}
    for name in ("Thalamus", "Hippocampus", "Cerebellum-Cortex", "Cerebral-White-Matter"):
        left, right = (int(volumes[side][CLASSES.index(name)]) for side in SIDES)
        if max(left, right) > LARGEST_SIDE_RATIO * min(left, right):
            return name
    return None


def _rows(table: Path) -> list[tuple[str, Path, Path]]:
    rows = read_table(table)
    columns = set(rows[0]) if rows else set()
    column = "labels" if "labels" in columns else "dlmuse"
    if not {"id", "t1", column} <= columns:
        raise InputError(f"The table {table} lacks the columns id, t1 or labels.", "Name them in its header.")
    used = [(row["id"], table.parent / row["t1"], table.parent / row[column]) for row in rows if row[column]]
    if len({name for name, _, _ in used}) < len(used):
        raise InputError(f"The table {table} holds an id twice.", "Give every head its own id.")
    return used


def _read_codes(path: Path) -> Image:
    labels = to_canonical(read_labels(path))
    unknown = sorted(set(np.unique(labels.array)) - KNOWN_CODES - {0})
    if unknown:
        raise InputError(f"The labels {path} hold {unknown[0]}, which is no MUSE code.", "Give MUSE label maps.")
    return labels


def _prepare(name: str, t1_path: Path, labels: Image, threads: int) -> Example:
    head = to_canonical(read_t1(t1_path)[0])
    if not same_grid(head, labels):
        raise InputError(f"The labels of {name} lie on another grid than {t1_path}.", "Resample them to the T1.")
    brain = extract_brain(head, threads)
    corrected = correct_bias(head, brain)
    return Example(
        name=name,
        t1=torch.from_numpy(network_intensities(corrected, brain)),
        brain=torch.from_numpy(brain.array.astype(np.float32)),
        labels={side: torch.from_numpy(class_of_code(side)[labels.array]) for side in SIDES},
        native_from_template=align_affinely(corrected, brain).native_from_template,
        reference=labels.like(labels.array.astype(np.uint8)),
        bias_corrected=corrected,
        brain_mask=brain,
    )
