"""Calibration of a model to a scanner: from healthy controls to a file that travels."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...files.atomic_file import write_atomically
from ...files.atomic_folder import make_folder
from ...files.input_file import read_json
from ..features import NODE_NAMES
from ..norms.norms import Norms
from ..norms.scanner import expected_offset
from ..people import People
from .route import RouteModel

FORMAT = "regional-brain-age-calibration/2"
MINIMUM_CONTROLS = 10
# A scanner whose cortex reads five standard deviations off is no scanner; a million controls nobody has.
LARGEST_OFFSET, MOST_CONTROLS = 5.0, 1_000_000
CAUTION_CONTROLS = 100


@dataclass(frozen=True)
class Calibration:
    """What is known of a scanner, measured by one route.

    Parameters
    ----------
    controls : number of people it rests on.
    offset : (K,) standardised offset to take off measurements.
    route : that measured the controls; patients must be measured by the same.
    model : name of the model it belongs to.
    norms_sha256 : of the norms it was made with; another model has another scale.
    """

    controls: int
    offset: np.ndarray
    route: str
    model: str
    norms_sha256: str

    @property
    def caution(self) -> str:
        """A sentence for reports, empty when there is nothing to say."""
        if self.controls < CAUTION_CONTROLS:
            return f"Calibrated with {self.controls} controls; {CAUTION_CONTROLS} or more are better."
        return ""


def calibrate(norms: Norms, route: RouteModel | None, controls: People, model: str, norms_sha256: str) -> Calibration:
    """Calibration from healthy controls of one scanner.

    Parameters
    ----------
    route : how the controls' route differs from FreeSurfer; None for FreeSurfer itself.

    Raises
    ------
    InputError : fewer than 10 controls, controls of several sites, or an offset that no scanner has.
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
    offset = offset_of(norms, route, controls)
    largest = int(np.argmax(np.abs(offset)))
    if abs(offset[largest]) > LARGEST_OFFSET:
        raise InputError(
            f"The controls' {NODE_NAMES[largest]} lies {abs(offset[largest]):.1f} standard deviations from healthy "
            f"people of their ages; no scanner shifts by more than {LARGEST_OFFSET:g}.",
            "Check ages, units (mm, mm^3) and the software that measured them.",
        )
    return Calibration(len(controls), offset, controls.route, model, norms_sha256)


def offset_of(norms: Norms, route: RouteModel | None, controls: People) -> np.ndarray:
    """(K,) standardised offset of the controls' scanner, on FreeSurfer's scale."""
    standardised = norms.standardise(controls.values)
    if route is not None:
        standardised = route.as_freesurfer(standardised)
    residuals = norms.residuals(standardised, controls.age_years, controls.male)
    return expected_offset(norms, residuals, route.error_covariance if route is not None else 0.0)


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
    InputError : not a calibration file, one for an earlier model, or a broken one.
    """
    remedy = "Make one with: regional-brain-age calibrate MODEL CONTROLS.csv --out FILE"
    name = f"The calibration {path}"
    content = read_json(path, name, remedy)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        old = isinstance(content, dict) and str(content.get("format")).startswith(FORMAT.split("/")[0])
        what = "was made for a model of an earlier version" if old else "is not a calibration file of this software"
        raise InputError(f"The file {path} {what}.", remedy)
    offset = content.get("offset")
    if not isinstance(offset, list) or not all(type(value) in (int, float) for value in offset):
        raise InputError(f"{name} has an offset that is no list of numbers.", remedy)
    kinds = {"controls": int, "route": str, "model": str, "norms_sha256": str}
    wrong = [key for key, kind in kinds.items() if type(content.get(key)) is not kind]
    if wrong:
        raise InputError(f"{name} has no {wrong[0]}, or one of another kind: {content.get(wrong[0])!r:.40}.", remedy)
    calibration = Calibration(offset=np.array(offset, dtype=float), **{key: content[key] for key in kinds})
    largest = float(np.abs(calibration.offset).max(initial=0.0))
    for what, value, low, high in (
        ("controls", calibration.controls, MINIMUM_CONTROLS, MOST_CONTROLS),
        ("largest offset (SD)", largest, 0, LARGEST_OFFSET),
    ):
        if not low <= value <= high:
            raise InputError(
                f"{name} holds an impossible number: {what} is {value:g}, not {low:g} to {high:g}.", remedy
            )
    return calibration
