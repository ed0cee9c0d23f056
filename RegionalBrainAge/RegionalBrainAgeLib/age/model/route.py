"""The model of a route: how what it measures differs from what FreeSurfer measures of the same people.

``z_route = bias + gain * z_freesurfer + error``, all in residual SDs of the norms. Read backwards, a measurement
becomes one on FreeSurfer's scale with an error of known covariance, which is added to that of healthy people: an
unreliable feature weighs little, and the interval of an age is honest without local controls.

The people are of few scanners, so errors that differ from scanner to scanner show in none of them. The same heads in
other forms (noisier, blurred, of another contrast, mirrored) show some of it: the head stayed what it is, so whatever
changes is error (`with_forms`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...files.input_file import parsing, read_json
from ..features import MIRROR_IMAGES, NODE_NAMES, PARCEL_NODES
from ..norms.norms import Norms
from ..people import People

FORMAT = "regional-brain-age-route/1"
_LOADS = 10
# A node's gain is drawn towards that of all nodes as if this many people had shown it.
_PRIOR_PEOPLE = 10.0
_GAIN = (0.25, 1.5)
_FEWEST_PAIRS = 8
# From people of known age alone: the fewest, their span, and how firmly a gain is held at 1 (in squared residual SDs).
_FEWEST_BY_AGE, _AGE_SPAN_YEARS, _PRIOR_PEOPLE_BY_AGE = 20, 30.0, 20.0
# How far the bias of each side is drawn to that of both where one scanner may be what makes them differ.
_SIDES_SHARED = 0.5
# No route measures better than this share of the variance of healthy people.
_LEAST_ERROR = 0.05
# From heads in several forms: the fewest changes, and how many components of their covariance are kept.
_FEWEST_CHANGES, _FORM_LOADS = 10, 3


@dataclass(frozen=True)
class RouteModel:
    """A route beside FreeSurfer.

    Parameters
    ----------
    route : name, as in `Features.route`.
    measured_on : the people it was estimated on, in words.
    bias, gain : (K,) in the order of `NODE_NAMES`; NaN for a node the route does not measure.
    error_loads, error_sd : (K, s) and (K,): the covariance of errors is ``loads loads' + diag(sd^2)``.
    contrast_spread : how far contrasts within a brain (deviations, left-right differences) of healthy people reach by
        this route, as a multiple of their reach by FreeSurfer on one scanner; see `route_spread`.
    """

    route: str
    measured_on: str
    bias: np.ndarray
    gain: np.ndarray
    error_loads: np.ndarray
    error_sd: np.ndarray
    contrast_spread: float = 1.0

    def as_freesurfer(self, standardised: np.ndarray) -> np.ndarray:
        """Standardised measurements (N, K) of the route on FreeSurfer's scale; NaN where it does not measure."""
        return (standardised - self.bias) / self.gain

    @property
    def error_covariance(self) -> np.ndarray:
        """(K, K) covariance of the errors of `as_freesurfer`; that of an unmeasured node does not matter and is 1."""
        gain = np.where(np.isfinite(self.gain), self.gain, 1.0)
        loads = np.nan_to_num(self.error_loads) / gain[:, None]
        own = np.where(np.isfinite(self.gain), np.nan_to_num(self.error_sd) / gain, 1.0)
        return loads @ loads.T + np.diag(own**2)


def fit_route(route: str, measured_on: str, by_route: np.ndarray, by_freesurfer: np.ndarray) -> RouteModel:
    """A route model from people measured twice.

    Bias and gain per node are a regression on FreeSurfer's value, the gain drawn towards that of all nodes.
    Gain and error are those of both sides together, the bias is of each side. Errors that go together across nodes are
    kept as their strongest components.

    Parameters
    ----------
    by_route, by_freesurfer : (n, K) standardised; NaN where not measured.

    Raises
    ------
    InputError : fewer than 8 people with both.
    """
    both = np.isfinite(by_route) & np.isfinite(by_freesurfer)
    count = both.sum(axis=0)
    used = count >= _FEWEST_PAIRS
    if not used.any():
        raise InputError(
            f"No feature was measured by both routes in {_FEWEST_PAIRS} people.", "Give a table of more pairs."
        )
    x, y = (np.where(both, values, np.nan)[:, used] for values in (by_freesurfer, by_route))
    x_mean, y_mean = np.nanmean(x, axis=0), np.nanmean(y, axis=0)
    sxx = np.nansum((x - x_mean) ** 2, axis=0)
    sxy = np.nansum((x - x_mean) * (y - y_mean), axis=0)
    common = float(np.clip(sxy.sum() / sxx.sum(), *_GAIN))
    mirror = _mirror_among(used)
    gain = np.clip((sxy + _PRIOR_PEOPLE * common) / (sxx + _PRIOR_PEOPLE), *_GAIN)
    gain = (gain + gain[mirror]) / 2
    covariance = _products((y - y_mean) - gain * (x - x_mean))
    covariance = (covariance + covariance[np.ix_(mirror, mirror)]) / 2
    loads = _strongest(covariance, _LOADS)
    own = np.sqrt(np.maximum(np.diag(covariance) - (loads**2).sum(axis=1), 0.05 * np.diag(covariance)))
    return _of_all_nodes(route, measured_on, used, y_mean - gain * x_mean, gain, own, loads)


def fit_route_by_age(route: str, measured_on: str, norms: Norms, people: People) -> RouteModel:
    """A route model from healthy people of known ages measured by the route alone, without FreeSurfer.

    What the norms expect at a person's age stands for FreeSurfer's value. Bias and gain per node are a regression on
    it, the gain drawn towards 1, which a node that hardly changes with age keeps. What varies more than healthy people
    do is the route's error. Gain and error are those of both sides together. The people's scanner cannot be told from
    the route: its offset is in the bias, and the norms' doubt about a scanner stays as it is. What differs between the
    sides may be the scanner's too, so the bias of each side is drawn half way to that of both.

    Raises
    ------
    InputError : fewer than 20 people, or of less than 30 years of age span.
    """
    if len(people) < _FEWEST_BY_AGE or np.ptp(people.age_years) < _AGE_SPAN_YEARS:
        raise InputError(
            f"{len(people)} people, {np.ptp(people.age_years):.0f} years apart, cannot tell a route.",
            f"Give at least {_FEWEST_BY_AGE} healthy people of all ages, or a table of the same people by FreeSurfer.",
        )
    measured = norms.standardise(people.values)
    expected = norms.expected(people.age_years, people.male)
    count = np.isfinite(measured).sum(axis=0)
    used = count >= _FEWEST_BY_AGE
    y, x = measured[:, used], np.where(np.isfinite(measured), expected, np.nan)[:, used]
    x_mean, y_mean = np.nanmean(x, axis=0), np.nanmean(y, axis=0)
    sxx, sxy = np.nansum((x - x_mean) ** 2, axis=0), np.nansum((x - x_mean) * (y - y_mean), axis=0)
    mirror = _mirror_among(used)
    gain = np.clip((sxy + _PRIOR_PEOPLE_BY_AGE) / (sxx + _PRIOR_PEOPLE_BY_AGE), *_GAIN)
    gain = (gain + gain[mirror]) / 2
    residual = y - y_mean - gain * (x - x_mean)
    spread = np.nanmedian(np.abs(residual), axis=0) / 0.6745
    healthy = norms.residual_covariance[np.ix_(used, used)] * np.outer(gain, gain)
    excess = _products(np.clip(residual, -4 * spread, 4 * spread)) - healthy
    excess = (excess + excess[np.ix_(mirror, mirror)]) / 2
    own = np.maximum(np.diag(excess), _LEAST_ERROR * np.diag(healthy))
    # Thickness and volumes are measured in different ways: their errors have nothing in common.
    loads = np.zeros((len(own), 2))
    for number, kind in enumerate((PARCEL_NODES[used], ~PARCEL_NODES[used])):
        if kind.any():
            loads[kind, number] = _common_error(excess[np.ix_(kind, kind)], own[kind])
    sd = np.sqrt(own - (loads**2).sum(axis=1))
    bias = y_mean - gain * x_mean
    bias += _SIDES_SHARED * ((bias + bias[mirror]) / 2 - bias)
    return _of_all_nodes(route, measured_on, used, bias, gain, sd, loads)


def with_forms(model: RouteModel, norms: Norms, plain: People, others: Sequence[People]) -> RouteModel:
    """The route model with the errors that heads show which were measured again in other forms.

    A scan is of another form than those the route was fitted to; how far a head's numbers then go is the mean square of
    their changes, alike for both sides. What changes together is kept as the strongest components.

    Parameters
    ----------
    plain : heads in the form of the people the route was fitted to, measured by the route.
    others : the same heads in other forms, under the same names (`People.person`), one item per form. A mirrored head
        has its sides changed back.

    Raises
    ------
    InputError : fewer than 10 measurements of heads that are in `plain`, or one that is that of the plain head.
    """
    row_of = {name: row for row, name in enumerate(plain.person)}
    before = norms.standardise(plain.values)
    changes = [
        values - before[row_of[name]]
        for people in others
        for name, values in zip(people.person, norms.standardise(people.values), strict=True)
        if name in row_of
    ]
    if len(changes) < _FEWEST_CHANGES:
        raise InputError(
            f"{len(changes)} measurements of heads in another form are too few to tell what a form changes.",
            f"Give at least {_FEWEST_CHANGES}, each head under the name it has in the first table.",
        )
    change, known = np.nan_to_num(changes), np.isfinite(changes).astype(float)
    if not change.any(axis=1).all():
        raise InputError(
            "A head of another form has the very numbers it has in the first table.",
            "Give the first table once, and no form that changes nothing.",
        )
    count = known.T @ known
    covariance = change.T @ change / np.maximum(count, 1)
    # What heads show on one side alone is said of both.
    mirror = np.ix_(MIRROR_IMAGES, MIRROR_IMAGES)
    sides = np.add(count > 0, count[mirror] > 0, dtype=int)
    covariance = (covariance + covariance[mirror]) / np.maximum(sides, 1)
    loads = _strongest(covariance, _FORM_LOADS)
    own = np.maximum(np.diag(covariance) - (loads**2).sum(axis=1), 0.0)
    return replace(
        model,
        error_loads=np.hstack([model.error_loads, np.where(np.isfinite(model.gain)[:, None], loads, 0.0)]),
        error_sd=np.sqrt(model.error_sd**2 + own),
    )


def _of_all_nodes(
    route: str,
    measured_on: str,
    used: np.ndarray,
    bias: np.ndarray,
    gain: np.ndarray,
    sd: np.ndarray,
    loads: np.ndarray,
) -> RouteModel:
    """The route model of all K nodes from what was fitted to the used ones (K boolean)."""
    all_bias, all_gain, all_sd = (np.full(len(used), np.nan) for _ in range(3))
    all_bias[used], all_gain[used], all_sd[used] = bias, gain, sd
    all_loads = np.zeros((len(used), loads.shape[1]))
    all_loads[used] = loads
    return RouteModel(route, measured_on, all_bias, all_gain, all_loads, all_sd)


def _products(residual: np.ndarray) -> np.ndarray:
    """(K, K) covariance of residuals (n, K; NaN where not measured) of nodes with two fitted numbers each."""
    known = np.isfinite(residual).astype(float)
    residual = np.nan_to_num(residual)
    return residual.T @ residual / np.maximum(known.T @ known - 2, 1)


def _common_error(excess: np.ndarray, own: np.ndarray) -> np.ndarray:
    """(K,) load of the strongest common error; of few people, only that one is more than chance.

    Parameters
    ----------
    excess : (K, K) covariance beyond that of healthy people. own : (K,) variance of the errors, common ones included.
    """
    values, vectors = np.linalg.eigh(0.5 * excess + 0.5 * np.diag(own))
    load = vectors[:, -1] * np.sqrt(max(values[-1] - np.median(values), 0.0))
    return load * np.minimum(1.0, np.sqrt(0.5 * own) / np.maximum(np.abs(load), 1e-9))


def _strongest(covariance: np.ndarray, count: int) -> np.ndarray:
    """(K, count) strongest components of a covariance drawn half way to its diagonal."""
    values, vectors = np.linalg.eigh(0.5 * covariance + 0.5 * np.diag(np.diag(covariance)))
    return vectors[:, -count:] * np.sqrt(np.maximum(values[-count:], 0.0))


def _mirror_among(used: np.ndarray) -> np.ndarray:
    """Number of each used node's mirror image among the used ones; its own where that one is not used."""
    number = np.cumsum(used) - 1
    return np.where(used[MIRROR_IMAGES], number[MIRROR_IMAGES], number)[used]


def route_text(model: RouteModel) -> str:
    """The route model as JSON."""

    def plain(values: np.ndarray) -> list:
        return [round(float(v), 5) if np.isfinite(v) else None for v in values]

    content = {
        "format": FORMAT,
        "route": model.route,
        "measured_on": model.measured_on,
        "contrast_spread": round(model.contrast_spread, 3),
        "features": list(NODE_NAMES),
        "bias": plain(model.bias),
        "gain": plain(model.gain),
        "error_sd": plain(model.error_sd),
        "error_loads": [plain(row) for row in model.error_loads],
    }
    return json.dumps(content, indent=1) + "\n"


def read_route(path: Path | str) -> RouteModel:
    """Reads a route model.

    Raises
    ------
    InputError : not such a file, other features, or impossible numbers.
    """
    remedy = "Make one with: regional-brain-age route MODEL PEOPLE --measured-on WORDS --out FILE"
    name = f"The route model {path}"
    content = read_json(path, name, remedy)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"The file {path} is not a route model of this software.", remedy)
    with parsing(name, remedy):
        if tuple(content["features"]) != NODE_NAMES:
            raise InputError(f"The route model {path} has other features than this software.", remedy)
        arrays = {name: np.array(content[name], dtype=float) for name in ("bias", "gain", "error_sd", "error_loads")}
        spread = float(content.get("contrast_spread", 1.0))
        model = RouteModel(str(content["route"]), str(content["measured_on"]), **arrays, contrast_spread=spread)
    shapes = [model.bias.shape, model.gain.shape, model.error_sd.shape, model.error_loads.shape[:1]]
    measured = np.isfinite(model.gain)
    sound = (model.gain[measured] > 0).all() and 0 < spread < np.inf
    if any(shape != (len(NODE_NAMES),) for shape in shapes) or not sound:
        raise InputError(f"The route model {path} holds impossible numbers.", remedy)
    return model
