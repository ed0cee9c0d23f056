"""semopy beside this engine: its gradient and information at our estimates, its own fit, and factor scores.

The model is handed over complete, every parameter written out, so that nothing rests on semopy's reading of the
language or on its defaults. semopy's own degrees of freedom, CFI and AIC are not used: they count observed exogenous
variables otherwise.

Reference: Igolkina & Meshcheryakov 2020, Struct Equ Modeling 27:952.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd
import semopy

from .engine import Moments, Structure

AGREEMENT = 1e-6


@dataclass(frozen=True)
class SecondOpinion:
    """What semopy says at our estimates.

    gradient : largest derivative of its objective times our standard error; zero at its own optimum. se_ratio : largest
    distance from 1 of its standard error by ours; NaN with missing data, where its information is another one.
    why_not : why there is no opinion, empty otherwise.
    """

    gradient: float = float("nan")
    se_ratio: float = float("nan")
    why_not: str = ""

    @property
    def agrees(self) -> bool:
        """Whether both numbers are below one in a million (the gradient alone with missing data)."""
        return self.gradient < AGREEMENT and not self.se_ratio >= AGREEMENT

    def sentence(self) -> str:
        """The opinion in words, for the report."""
        if self.why_not:
            return f"semopy was not asked: {self.why_not}."
        verdict = "agrees" if self.agrees else "DISAGREES"
        ratio = "" if np.isnan(self.se_ratio) else f", standard errors differ by {self.se_ratio:.0e} of themselves"
        return f"semopy {verdict} at these estimates: gradient × SE {self.gradient:.0e}{ratio}."


def ask_semopy(
    structure: Structure, theta: np.ndarray, values: np.ndarray, moments: Moments, information: np.ndarray
) -> SecondOpinion:
    """semopy's gradient at `theta`, and its standard errors beside those of `information` (expected, complete data)."""
    try:
        model, order = _loaded(structure, theta, values, moments)
    except NotImplementedError as error:
        return SecondOpinion(why_not=str(error))
    at = theta[order]
    se = np.sqrt(np.diag(np.linalg.inv(information)))[order]
    complete = np.isfinite(values).all()
    if complete:
        gradient = model.grad_mlw(at) * len(values) / 2
        _, covariance = model.calc_fim(inverse=True)
        ratio = float(np.abs(np.sqrt(np.diag(covariance)) / se - 1).max())
    else:
        model.prepare_fiml()
        gradient, ratio = model.grad_fiml(at) / 2, float("nan")
    return SecondOpinion(float(np.abs(gradient * se).max()), ratio)


def fit_by_semopy(structure: Structure, theta: np.ndarray, values: np.ndarray, moments: Moments) -> np.ndarray:
    """semopy's own maximum-likelihood estimates, started from `theta`; complete data only.

    Raises
    ------
    NotImplementedError : the model or the data are such that semopy does not fit them.
    """
    if not np.isfinite(values).all():
        raise NotImplementedError("values are missing, and its likelihood for missing data has no means")
    model, order = _loaded(structure, theta, values, moments)
    model.param_vals = theta[order]
    model.fit(obj="MLW", solver="SLSQP", options={"ftol": 1e-15})
    found = theta.copy()
    found[order] = model.param_vals
    return found


def factor_scores(structure: Structure, theta: np.ndarray, values: np.ndarray, moments: Moments) -> pd.DataFrame | None:
    """Scores of the latent variables (n, latent) by semopy's MAP estimate; None without latent variables.

    Cases with a missing value have no score.
    """
    latent = structure.specification.latent
    complete = np.isfinite(values).all(axis=1)
    if not latent or not complete.any():
        return None
    try:
        model, order = _loaded(structure, theta, values, moments)
    except NotImplementedError:
        return None
    model.update_matrices(theta[order])
    names = _names(structure)
    frame = pd.DataFrame(values[complete] - values[complete].mean(axis=0), columns=names[: structure.p])
    scores = model.predict_factors(frame[model.vars["observed"]])
    back = dict(zip(names[structure.p :], latent, strict=True))
    table = pd.DataFrame(np.nan, index=range(len(values)), columns=list(latent))
    table.loc[complete, [back[code] for code in scores.columns]] = scores.to_numpy()
    return table


def _names(structure: Structure) -> list[str]:
    """Plain names for semopy's parser: x0, x1 ... for observed variables, f0, f1 ... for latent ones."""
    return [*(f"x{i}" for i in range(structure.p)), *(f"f{i}" for i in range(structure.size - structure.p))]


def _loaded(
    structure: Structure, theta: np.ndarray, values: np.ndarray, moments: Moments
) -> tuple[semopy.Model, np.ndarray]:
    """semopy's model with our parameters, loaded with data about the model's mean, and our index of each of its own."""
    names = _names(structure)
    everything = structure.values(theta[None], moments)[0]
    lines, fixed = [], {}
    for k, parameter in enumerate(structure.specification.parameters):
        if parameter.op == "~1":
            continue
        label = f"t{parameter.free}" if parameter.free >= 0 else f"k{k}"
        if parameter.free < 0:
            fixed[label] = everything[k]
        left, right = (names[structure.place[name]] for name in (parameter.lhs, parameter.rhs))
        lines.append(f"{left} {parameter.op} {label}*{right}")
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)  # it warns of latent variables without a fixed loading; ours are fixed by value
    try:
        model = semopy.Model("\n".join(lines), cov_diag=True)
    finally:
        logging.disable(previous)
    inner = set(model.vars["inner"])
    for parameter in structure.specification.parameters:
        if parameter.op == "~~" and parameter.lhs != parameter.rhs:
            both = {names[structure.place[parameter.lhs]] in inner, names[structure.place[parameter.rhs]] in inner}
            if both == {True, False}:
                raise NotImplementedError("it has no residual covariance between an outcome and a predictor")
    for label, parameter in model.parameters.items():
        if label in fixed:
            parameter.start, parameter.active, parameter.bound = fixed[label], False, (None, None)
        elif label.startswith("t"):
            parameter.start, parameter.bound = theta[int(label[1:])], (None, None)
        else:
            raise NotImplementedError(f"it added a parameter of its own ({label})")
    centre = np.nanmean(values, axis=0)
    if structure.specification.means:
        centre = structure.implied(structure.values(theta[None], moments))[0][0, : structure.p]
    frame = pd.DataFrame(values - centre, columns=names[: structure.p])
    n = np.isfinite(values).all(axis=1).sum()
    about = frame.fillna(0).to_numpy()
    covariance = pd.DataFrame(about.T @ about / max(n, 1), columns=frame.columns, index=frame.columns)
    model.load(frame, cov=covariance)
    active = [label for label, parameter in model.parameters.items() if parameter.active]
    return model, np.array([int(label[1:]) for label in active])
