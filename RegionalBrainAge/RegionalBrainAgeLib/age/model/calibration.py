"""What local healthy controls tell about a scanner: the offset of every parcel, shrunken towards none.

The offset d of a scanner has a prior covariance S (how the scanners of the norms differ) and n controls with residual
covariance R give its mean with error R/n: the posterior mean is ``S (S + R/n)^-1 mean residual``, the best linear
unbiased predictor of a random effect (Robinson 1991). Parcels borrow from each other; few controls move little.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...files.atomic_file import write_atomically
from ...files.atomic_folder import make_folder
from ...files.input_file import parsing, read_json
from ..norms.norms import Norms
from ..people import People

FORMAT = "regional-brain-age-calibration/1"
KINDS = ("local", "default offset")
MINIMUM_CONTROLS = 10
# A scanner whose cortex reads five standard deviations off is no scanner; a million controls nobody has.
LARGEST_OFFSET, MOST_CONTROLS = 5.0, 1_000_000
CAUTION_CONTROLS = 100


def gain(norms: Norms, controls: int) -> np.ndarray:
    """(K, K) matrix from the mean residual of this many controls to the expected offset of their scanner."""
    total = norms.site_covariance + norms.residual_covariance / controls
    return np.linalg.solve(total, norms.site_covariance).T


def remaining_covariance(norms: Norms, controls: int) -> np.ndarray:
    """(K, K) covariance of what is still unknown of a scanner's offset after this many controls."""
    if controls == 0:
        return norms.site_covariance
    left = norms.site_covariance - gain(norms, controls) @ norms.site_covariance
    return 0.5 * (left + left.T)


def remaining_uncertainty(norms: Norms, controls: int) -> float:
    """Share (0..1) of the variance of scanner offsets that is still unknown after this many controls."""
    return float(np.trace(remaining_covariance(norms, controls)) / np.trace(norms.site_covariance))


def expected_offset(norms: Norms, residuals: np.ndarray) -> np.ndarray:
    """(K,) standardised offset of a scanner from residuals (n, K) of its controls, NaN where not measured."""
    known = np.isfinite(residuals)
    counts = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, residuals, 0.0).sum(axis=0) / counts
    measured = known.any(axis=0)
    # A channel no control has is predicted from the others.
    total = norms.site_covariance + norms.residual_covariance / np.sqrt(np.outer(counts, counts))
    total = total[np.ix_(measured, measured)]
    return norms.site_covariance[:, measured] @ np.linalg.solve(total, mean[measured])


@dataclass(frozen=True)
class Calibration:
    """What is known of a scanner (and pipeline).

    Parameters
    ----------
    kind : "local" (from controls of the same scanner) or "default offset" (of a pipeline, shipped with a model).
    controls : number of people it rests on.
    offset : (K,) standardised offset to take off measurements.
    remaining_uncertainty : 0..1, share of the variance of scanner offsets still unknown.
    model : name of the model it belongs to.
    norms_sha256 : of the norms it was made with; another model has another scale.
    """

    kind: str
    controls: int
    offset: np.ndarray
    remaining_uncertainty: float
    model: str
    norms_sha256: str

    @property
    def caution(self) -> str:
        """A sentence for reports, empty when there is nothing to say."""
        if self.kind != "local":
            return "Calibrated with a default offset of the pipeline, not with controls of this scanner."
        if self.controls < CAUTION_CONTROLS:
            return f"Calibrated with {self.controls} controls; {CAUTION_CONTROLS} or more are better."
        return ""


def calibrate(norms: Norms, controls: People, model: str, norms_sha256: str) -> Calibration:
    """Calibration from healthy controls of one scanner.

    Raises
    ------
    InputError : fewer than 10 controls, or controls of several sites.
    """
    if len(controls) < MINIMUM_CONTROLS:
        raise InputError(
            f"{len(controls)} controls are too few to calibrate.",
            f"Give at least {MINIMUM_CONTROLS} healthy people of the same scanner and pipeline, better "
            f"{CAUTION_CONTROLS}.",
        )
    sites = np.unique(controls.site)
    if len(sites) > 1:
        raise InputError(
            f"The controls are of {len(sites)} sites ({', '.join(sites[:3])}).",
            "Calibrate each scanner with its own controls: one table and one calibration file per site.",
        )
    standardised = norms.standardise(controls.values.reshape(len(controls), -1))
    residuals = norms.residuals(standardised, controls.age_years, controls.male)
    return Calibration(
        "local",
        len(controls),
        expected_offset(norms, residuals),
        remaining_uncertainty(norms, len(controls)),
        model,
        norms_sha256,
    )


def write_calibration(calibration: Calibration, path: Path | str) -> None:
    """Writes a calibration as JSON; the file appears whole or not at all."""
    content = asdict(calibration) | {"format": FORMAT, "offset": [round(float(v), 6) for v in calibration.offset]}
    path = Path(path)
    make_folder(path.parent)
    write_atomically(path, json.dumps(content, indent=1) + "\n")


def read_calibration(path: Path | str) -> Calibration:
    """Reads a calibration file.

    Raises
    ------
    InputError : not a calibration file, or a broken one.
    """
    remedy = "Make one with: regional-brain-age calibrate MODEL CONTROLS.csv --out FILE"
    name = f"The calibration {path}"
    content = read_json(path, name, remedy)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path} is not a calibration file of this software.", remedy)
    with parsing(name, remedy):
        calibration = Calibration(
            str(content["kind"]),
            int(content["controls"]),
            np.asarray(content["offset"], dtype=float),
            float(content["remaining_uncertainty"]),
            str(content["model"]),
            str(content["norms_sha256"]),
        )
    if calibration.kind not in KINDS:
        raise InputError(f"{name} is of the kind '{calibration.kind[:40]}', which is not known.", remedy)
    fewest = MINIMUM_CONTROLS if calibration.kind == "local" else 0
    if calibration.offset.ndim != 1 or not np.isfinite(calibration.offset).all():
        raise InputError(f"{name} has an offset that is no list of numbers.", remedy)
    largest = float(np.abs(calibration.offset).max(initial=0.0))
    for what, value, low, high in (
        ("controls", calibration.controls, fewest, MOST_CONTROLS),
        ("largest offset (SD)", largest, 0, LARGEST_OFFSET),
        ("remaining_uncertainty", calibration.remaining_uncertainty, 0, 1),
    ):
        if not low <= value <= high:
            raise InputError(
                f"{name} holds an impossible number: {what} is {value:g}, not {low:g} to {high:g}.", remedy
            )
    return calibration
