"""Lifespan charts: mean and spread of thickness and volumes by age, sex and site, from tens of thousands of people.

Warped Bayesian linear regressions (Rutherford et al. 2022, eLife; formulas in the charts' own documentation):
``latent = sinh(b * asinh(x) + epsilon * b)`` is Gaussian with a mean linear in cubic B-splines of age, sex and site.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.interpolate import BSpline

from ...anatomy.parcels import PARCEL_NAMES
from ...anatomy.structures import GRAY_MATTER, TOTAL_GRAY
from ...errors import InputError
from ...files.input_file import parsing, plain_file
from ..features import NODE_NAMES

CHART_KNOTS_YEARS = np.linspace(-5.0, 110.0, 5)


def spline_basis(age_years: np.ndarray, knots_years: np.ndarray = CHART_KNOTS_YEARS) -> np.ndarray:
    """Cubic B-splines at these ages, ends repeated, shape (N, len(knots) + 2)."""
    knots = np.concatenate([[knots_years[0]] * 3, knots_years, [knots_years[-1]] * 3])
    inside = np.clip(np.atleast_1d(np.asarray(age_years, dtype=float)), knots_years[0], knots_years[-1])
    return BSpline.design_matrix(inside, knots, 3).toarray()


@dataclass(frozen=True)
class Charts:
    """Lifespan charts of the K nodes of the brain graph and S sites; NaN for a node without a chart.

    Parameters
    ----------
    warp_epsilon, warp_b, residual_sd, intercept, slope, male : (K,) coefficients; residual_sd is latent.
    spline : (7, K) spline coefficients.
    sites : names of the sites.
    site_offsets : (S, K) latent.
    """

    warp_epsilon: np.ndarray
    warp_b: np.ndarray
    residual_sd: np.ndarray
    intercept: np.ndarray
    slope: np.ndarray
    male: np.ndarray
    spline: np.ndarray
    sites: tuple[str, ...]
    site_offsets: np.ndarray

    def latent_mean(self, age_years: np.ndarray, male: np.ndarray) -> np.ndarray:
        """Latent mean of people of these ages and sexes without a site's offset, shape (N, K)."""
        linear = self.intercept + np.outer(age_years, self.slope) + np.outer(male, self.male)
        return linear + spline_basis(age_years) @ self.spline

    def of_nodes(self, chosen: np.ndarray) -> Charts:
        """The charts of these nodes (boolean) alone."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return Charts(**{k: v if k == "sites" else v[..., chosen] for k, v in values.items()})

    def without_sites(self, names: set[str]) -> Charts:
        """The charts without the offsets of these sites, compared by lower-case name."""
        kept = np.array([site.lower() not in names for site in self.sites])
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values["sites"] = tuple(site for site, keep in zip(self.sites, kept, strict=True) if keep)
        values["site_offsets"] = self.site_offsets[kept]
        return Charts(**values)


def read_charts(paths: Path | str | Sequence[Path | str]) -> Charts:
    """Reads charts, one row per parcel or structure.

    Parameters
    ----------
    paths : one file or several with the same sites. All 148 parcels are needed; structures may be absent. The grey
        matter of each side has the chart of ``TotalGrayVol``, of which it is half.

    Raises
    ------
    InputError : a missing file, column or parcel, or files of different sites.
    """
    files = [paths] if isinstance(paths, str | Path) else list(paths)
    frames = [_read_chart(file) for file in files]
    sites = _sites_of(frames[0])
    for file, frame in zip(files[1:], frames[1:], strict=True):
        if set(_sites_of(frame)) != set(sites):
            raise InputError(f"The charts {file} have other sites than {files[0]}.", "Give charts of one fit.")
    frame = pd.concat(frames)
    unknown = [name for name in PARCEL_NAMES if name not in frame.index]
    if unknown or len(sites) < 5:
        problem = f"lack the parcel {unknown[0]}" if unknown else f"have {len(sites)} site columns"
        raise InputError(f"The charts {files[0]} {problem}.", "Give charts of all 148 parcels and at least 5 sites.")
    if frame.index.duplicated().any():
        raise InputError(
            f"The charts hold {frame.index[frame.index.duplicated()][0]} twice.", "Give every parcel one row."
        )
    frame = _with_sides_of_gray(frame).reindex(list(NODE_NAMES))
    warp_b = np.exp(frame["warp_log_b"].to_numpy())
    return Charts(
        warp_epsilon=frame["warp_epsilon"].to_numpy(),
        warp_b=warp_b,
        residual_sd=warp_b / np.sqrt(np.exp(frame["log_beta"].to_numpy())),
        intercept=frame["intercept"].to_numpy(),
        slope=frame["age"].to_numpy(),
        male=frame["sex_male"].to_numpy(),
        spline=frame[[f"spline{k}" for k in range(7)]].to_numpy().T,
        sites=tuple(site.removeprefix("site:") for site in sites),
        site_offsets=frame[sites].to_numpy().T,
    )


def _read_chart(path: Path | str) -> pd.DataFrame:
    name = f"The charts {path}"
    plain_file(path, name)
    with parsing(name, "Give a UTF-8 CSV with a header."):
        frame = pd.read_csv(path)
    needed = ["parcel", "warp_epsilon", "warp_log_b", "log_beta", "intercept", "age", "sex_male"]
    needed += [f"spline{k}" for k in range(7)]
    absent = [column for column in needed if column not in frame.columns]
    if absent:
        raise InputError(f"The charts {path} lack the column(s) {', '.join(absent)}.", "Give charts in this format.")
    frame = frame.set_index("parcel")
    with parsing(name, "Give numbers only."):
        numbers = frame[needed[1:] + _sites_of(frame)].to_numpy(dtype=float)
    if not np.isfinite(numbers).all():
        raise InputError(f"{name} have empty cells.", "Give every row numbers.")
    return frame


def _with_sides_of_gray(frame: pd.DataFrame) -> pd.DataFrame:
    """The charts with one of each side's grey matter, made from that of both."""
    if TOTAL_GRAY not in frame.index:
        return frame
    sides = pd.concat([frame.loc[[TOTAL_GRAY]]] * len(GRAY_MATTER)).set_axis(list(GRAY_MATTER))
    # asinh(2 x) = asinh(x) + log(2), to 1 part in x^2, and x is 3e5 mm3.
    sides["warp_epsilon"] += np.log(2.0)
    return pd.concat([frame, sides])


def _sites_of(frame: pd.DataFrame) -> list[str]:
    return [column for column in frame.columns if column.startswith("site:")]
