"""A trained model: its folder, and ages from parcel features."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save as save_arrays

from ... import __version__
from ...anatomy.parcels import PARCEL_NAMES, ParcelFeatures
from ...anatomy.regions import RegionScheme
from ...errors import InputError
from ...files.input_file import parsing
from ...resources import shipped
from ..norms.norms import Norms
from ..people import People
from ..training.train_network import make_batch
from .calibration import Calibration, read_calibration
from .intervals import AgeBias, Errors, Reference, fit_age_bias
from .model_folder import (
    ARRAY_FILES,
    DEFAULT_OFFSET_FILE,
    FORMAT,
    arrays_of,
    check_contents,
    checked_contents,
    read_description,
    write_description,
)
from .network import Architecture, RegionalAgeNetwork

DEFAULT_MODEL = "destrieux-nine-networks"
# A region has no age when this share of its cortex, by membership weight, could not be measured.
DAMAGE_LIMIT_FRACTION = 0.5
_CHUNK = 2048
STATES = ("none", "local")


@dataclass(frozen=True)
class RegionAges:
    """Ages of the regions of one person (arrays of R) or of many (arrays of N x R).

    NaN where a region is not estimable; `reason` then says why. The interval holds the corrected PAD this person would
    have with another, equally likely error: it contains 0 for 90 % of healthy people.
    """

    region_names: tuple[str, ...]
    brain_age_years: np.ndarray
    pad_years: np.ndarray
    pad_corrected_years: np.ndarray
    pad_lower_years: np.ndarray
    pad_upper_years: np.ndarray
    pad_percentile: np.ndarray
    estimable: np.ndarray
    reason: np.ndarray
    calibrated: str = "none"

    def person(self, row: int) -> RegionAges:
        """The ages of one of many people."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return RegionAges(**{k: v[row] if isinstance(v, np.ndarray) else v for k, v in values.items()})


@dataclass(frozen=True)
class Fold:
    """Networks that never saw some sites.

    Parameters
    ----------
    held_out_sites : sites not used for networks and norms; empty for the networks everyone else is predicted with.
    norms : of the same people.
    networks : state dicts of an ensemble.
    """

    held_out_sites: tuple[str, ...]
    norms: Norms
    networks: tuple[RegionalAgeNetwork, ...]


@dataclass(frozen=True)
class BrainAgeModel:
    """Everything needed to give ages; made by `training`, kept in a model folder.

    Parameters
    ----------
    name : of the folder.
    architecture, edges, membership : of the networks.
    parcels, features, region_names, scheme : what goes in and comes out.
    folds : the last one has no held-out sites.
    references : by calibration state ("none", "local"): healthy people out of fold.
    missing_widening : relative growth of an interval per fully missing region.
    about : training data, versions, recipe, seed: written to model.json as it is.
    default_offset : of the built-in T1 route, when the folder has one.
    norms_sha256 : identifies the scale calibrations are made on.
    """

    name: str
    architecture: Architecture
    edges: np.ndarray
    membership: np.ndarray
    parcels: tuple[str, ...]
    features: tuple[str, ...]
    region_names: tuple[str, ...]
    scheme: str
    folds: tuple[Fold, ...]
    references: dict[str, Reference]
    missing_widening: float
    about: dict
    default_offset: Calibration | None = None
    norms_sha256: str = ""
    version: str = __version__
    _errors: dict = field(default_factory=dict, compare=False, repr=False)

    def predict(
        self,
        features: ParcelFeatures,
        age_years: float,
        sex: str,
        calibration: Calibration | Path | str | None = None,
        *,
        use_default_offset: bool = False,
    ) -> RegionAges:
        """Ages of one person.

        Parameters
        ----------
        features : of the 148 parcels.
        sex : "F" or "M".
        calibration : of the scanner, from local controls; or the file `calibrate` wrote.
        use_default_offset : for the built-in T1 route: without local calibration, use the model's default offset if it
            has one.
        """
        if calibration is None and use_default_offset:
            calibration = self.default_offset
        if isinstance(calibration, Path | str):
            calibration = read_calibration(calibration)
        people = People(
            np.array(["case"]),
            np.array([""]),
            np.array([float(age_years)]),
            np.array([1.0 if sex == "M" else 0.0]),
            ("thickness",),
            np.asarray(features.thickness_mm, dtype=float)[None, None],
            np.asarray(features.lesioned_fraction, dtype=float)[None],
        )
        return self.predict_people(people, calibration).person(0)

    def predict_people(self, people: People, calibration: Calibration | None = None) -> RegionAges:
        """Ages of many people; people of training sites get those of the networks that did not see their site."""
        self.check_calibration(calibration)
        brain_age = np.full((len(people), len(self.region_names)), np.nan)
        lower, upper, corrected, percentile = (np.full_like(brain_age, np.nan) for _ in range(4))
        missing = np.isnan(people.values).any(axis=1)
        lost = missing @ self.membership.T
        fold_of = self.fold_of_sites(people.site)
        # A default offset knows the pipeline, not the scanner: the errors are those of an unknown scanner.
        state = "local" if calibration is not None and calibration.kind == "local" else "none"
        for index in np.unique(fold_of):
            rows = np.nonzero(fold_of == index)[0]
            brain_age[rows] = self.raw_ages(people.take(rows), self.folds[index], calibration)
            bias, errors = self.errors(state, index)
            corrected[rows] = bias.correct(brain_age[rows] - people.age_years[rows, None], people.age_years[rows])
            lowest, highest, percentile[rows] = errors.judge(corrected[rows], people.age_years[rows])
            wider = 1 + self.missing_widening * lost[rows]
            lower[rows], upper[rows] = corrected[rows] - highest * wider, corrected[rows] - lowest * wider
        estimable = lost <= DAMAGE_LIMIT_FRACTION
        reason = np.full(brain_age.shape, "", dtype=object)
        for row, column in np.argwhere(~estimable):
            reason[row, column] = f"{100 * lost[row, column]:.0f} % of the region's cortex could not be measured"
        pad = brain_age - people.age_years[:, None]
        for values in (brain_age, pad, corrected, lower, upper, percentile):
            values[~estimable] = np.nan
        return RegionAges(
            self.region_names,
            brain_age,
            pad,
            corrected,
            lower,
            upper,
            percentile,
            estimable,
            reason,
            "none" if calibration is None else calibration.kind,
        )

    @torch.no_grad()
    def raw_ages(self, people: People, fold: Fold, calibration: Calibration | None = None) -> np.ndarray:
        """Raw ages (N, R) of the networks of one fold, averaged."""
        standardised = fold.norms.standardise(people.values.reshape(len(people), -1))
        uncertainty = 1.0
        if calibration is not None:
            reference = self.folds[-1].norms
            latent = calibration.offset * reference.scale + reference.centre - fold.norms.centre
            standardised = standardised - latent / fold.norms.scale
            uncertainty = calibration.remaining_uncertainty
        channels = standardised.reshape(len(people), len(self.features), -1)
        missing = np.isnan(channels).any(axis=1)
        ages = np.zeros((len(people), len(self.region_names)))
        for start in range(0, len(people), _CHUNK):
            rows = slice(start, start + _CHUNK)
            batch = make_batch(
                channels[rows],
                missing[rows],
                people.lesioned_fraction[rows],
                people.male[rows],
                np.full(len(people.male[rows]), uncertainty),
            )
            for network in fold.networks:
                ages[rows] += network(*batch.inputs()).numpy() / len(fold.networks)
        return ages

    def fold_of_sites(self, site: np.ndarray) -> np.ndarray:
        """(N,) index of the fold that predicts people of these sites."""
        of_site = {name: index for index, fold in enumerate(self.folds) for name in fold.held_out_sites}
        return np.array([of_site.get(name, len(self.folds) - 1) for name in site], dtype=int)

    def errors(self, state: str, fold: int) -> tuple[AgeBias, Errors]:
        """Age bias and error distribution from healthy people, those of a fold's held-out sites left out."""
        if (state, fold) not in self._errors:
            reference = self.references[state].without_sites(set(self.folds[fold].held_out_sites))
            bias = fit_age_bias(reference)
            self._errors[state, fold] = (bias, Errors(bias.corrected(reference)))
        return self._errors[state, fold]

    def check_calibration(self, calibration: Calibration | None) -> None:
        """Raises InputError when a calibration belongs to another model."""
        if calibration is None:
            return
        if len(calibration.offset) != len(self.parcels) * len(self.features):
            raise InputError(
                "The calibration has another number of parcels than the model.", "Calibrate this model anew."
            )
        if calibration.norms_sha256 != self.norms_sha256:
            raise InputError(
                f"The calibration was made for the model '{calibration.model}' of another training.",
                "Calibrate this model anew.",
            )

    def check_scheme(self, scheme: RegionScheme) -> None:
        """Raises InputError when the model was trained for other regions."""
        names = tuple(region.name for region in scheme.regions)
        if names != self.region_names:
            raise InputError(
                f"The model '{self.name}' was trained for the scheme '{self.scheme}', not for '{scheme.name}'.",
                "Use that scheme, or train a model for this one.",
            )


def save_model(model: BrainAgeModel, folder: Path | str) -> None:
    """Writes a model folder: weights.safetensors, norms.safetensors, model.json (with checksums of all)."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    weights, norms = {}, {}
    for index, fold in enumerate(model.folds):
        for member, network in enumerate(fold.networks):
            for key, value in network.state_dict().items():
                weights[f"fold{index}.network{member}.{key}"] = value.numpy()
        for item in fields(Norms):
            norms[f"fold{index}.{item.name}"] = getattr(fold.norms, item.name).astype(np.float32)
    norms["membership"] = model.membership.astype(np.float32)
    norms["edges"] = model.edges.astype(np.int32)
    for state, reference in model.references.items():
        norms[f"reference.{state}.age_years"] = reference.age_years.astype(np.float32)
        norms[f"reference.{state}.pad_years"] = reference.pad_years.astype(np.float32)
    contents = {"weights.safetensors": _packed(weights), "norms.safetensors": _packed(norms)}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    sites = sorted({site for reference in model.references.values() for site in reference.site})
    bias = {state: model.errors(state, len(model.folds) - 1)[0] for state in model.references}
    description = {
        "format": FORMAT,
        "name": model.name,
        "version": model.version,
        "architecture": model.architecture.as_dict(),
        "parcels": list(model.parcels),
        "features": list(model.features),
        "scheme": model.scheme,
        "regions": list(model.region_names),
        "folds": [
            {"held_out_sites": list(fold.held_out_sites), "networks": len(fold.networks)} for fold in model.folds
        ],
        "reference_sites": sites,
        "reference_site_index": {
            state: [sites.index(site) for site in reference.site] for state, reference in model.references.items()
        },
        "age_bias": {
            state: {
                "intercept_years": [round(float(v), 4) for v in value.intercept_years],
                "slope": [round(float(v), 5) for v in value.slope],
            }
            for state, value in bias.items()
        },
        "missing_widening": model.missing_widening,
        "about": model.about,
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
    }
    write_description(folder, description)


def _packed(arrays: dict[str, np.ndarray]) -> bytes:
    """safetensors writes memory as it lies: an array in Fortran order would come back scrambled."""
    return save_arrays({name: np.ascontiguousarray(array) for name, array in arrays.items()})


def load_model(path: Path | str | None = None, scheme: RegionScheme | None = None) -> BrainAgeModel:
    """Reads a model folder; without a path, the model this software ships.

    Parameters
    ----------
    path : folder, or None.
    scheme : when given, the model must be for the same regions.

    Raises
    ------
    InputError : a missing, altered or foreign file, a pickle, or another scheme.
    """
    folder = Path(path) if path is not None else shipped("Models", DEFAULT_MODEL)
    check_contents(folder)
    description = read_description(folder)
    contents = checked_contents(folder, description)
    arrays = {name: arrays_of(folder / name, contents[name]) for name in ARRAY_FILES}
    with parsing(f"The model {folder}", "Copy the folder again."):
        if tuple(description["parcels"]) != PARCEL_NAMES and description["architecture"]["node_weights"]:
            raise InputError(f"The model {folder} has other parcels than this software.", "Train it anew.")
        model = _build(folder.name, description, arrays["weights.safetensors"], arrays["norms.safetensors"])
    if scheme is not None:
        model.check_scheme(scheme)
    offset_file = folder / DEFAULT_OFFSET_FILE
    if offset_file.is_file():
        offset = read_calibration(offset_file)
        model.check_calibration(offset)
        object.__setattr__(model, "default_offset", offset)
    return model


def _build(name: str, description: dict, weights: dict, arrays: dict) -> BrainAgeModel:
    architecture = Architecture(**description["architecture"])
    edges, membership = arrays["edges"].astype(int), arrays["membership"].astype(float)
    folds = []
    for index, fold in enumerate(description["folds"]):
        networks = []
        for member in range(fold["networks"]):
            prefix = f"fold{index}.network{member}."
            state = {k.removeprefix(prefix): torch.as_tensor(v) for k, v in weights.items() if k.startswith(prefix)}
            network = RegionalAgeNetwork(architecture, edges, membership)
            network.load_state_dict(state)
            networks.append(network.eval())
        norms = Norms(**{item.name: arrays[f"fold{index}.{item.name}"].astype(float) for item in fields(Norms)})
        folds.append(Fold(tuple(fold["held_out_sites"]), norms, tuple(networks)))
    sites = np.array(description["reference_sites"])
    references = {
        state: Reference(
            arrays[f"reference.{state}.age_years"].astype(float),
            sites[np.array(index, dtype=int)],
            arrays[f"reference.{state}.pad_years"].astype(float),
        )
        for state, index in description["reference_site_index"].items()
    }
    return BrainAgeModel(
        name=name,
        architecture=architecture,
        edges=edges,
        membership=membership,
        parcels=tuple(description["parcels"]),
        features=tuple(description["features"]),
        region_names=tuple(description["regions"]),
        scheme=description["scheme"],
        folds=tuple(folds),
        references=references,
        missing_widening=float(description["missing_widening"]),
        about=description["about"],
        norms_sha256=description["sha256"]["norms.safetensors"],
        version=description["version"],
    )
