"""Norms of healthy people: how thickness and volumes depend on age, sex and scanner, as a Gaussian model.

Two sources give the same `Norms`: lifespan charts (Rutherford et al. 2022, eLife: warped Bayesian linear regressions,
formulas in the charts' own documentation) with the residual correlation of real people, or a table of people alone.
All values are latent: ``latent = sinh(b * asinh(x) + epsilon * b)`` makes the residuals of a chart Gaussian; norms
from a table use b = 1, epsilon = 0, so that latent is the measurement itself. A node that neither source knows, or that
is not read for age, has a scale of NaN: standardised, its values are missing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...errors import InputError
from ..features import MIRROR_IMAGES, READ_NODES
from ..people import People
from .charts import Charts, spline_basis

AGE_GRID_YEARS = np.arange(2.0, 101.0)
REFERENCE_AGE_YEARS = 45.0
_TABLE_KNOTS_YEARS = np.linspace(0.0, 100.0, 4)
# Shrinkage of the correlation of residuals towards none, and of the covariance of site offsets towards its diagonal.
_CORRELATION_SHRINKAGE = 0.05
_SITE_SHRINKAGE = 0.1
# Half of the people of most tables are in their twenties. People of rare ages count more, by this power of how many are
# of about their age (SD of the window, years).
_RARITY_POWER, _RARITY_WINDOW_YEARS = 0.4, 6.0
# Where a table has few sites, their covariance is filled up with this one, in residual SDs: a part common to all
# parcels and one of each parcel (the mean size over the 82 sites of the charts).
_PRIOR_SITE_SD_COMMON, _PRIOR_SITE_SD_OWN = 0.44, 0.38
_PRIOR_SITES = 10
_FEWEST_OF_SITE = 10
# How far each side of the brain is drawn to the mean of both: 0 not at all, 1 entirely.
_SIDES_SHARED = 0.5


@dataclass(frozen=True)
class Norms:
    """A population as a generative model over K channels (the nodes of the brain graph).

    Parameters
    ----------
    warp_epsilon, warp_b : (K,) of the latent transform.
    scale : (K,) latent SD that standardised values are measured in.
    mean : (2, A, K) standardised mean for women and men on `AGE_GRID_YEARS`, on an average scanner; 0 at the reference
        age, averaged over the sexes.
    centre : (K,) latent value of standardised 0.
    residual_covariance : (K, K) standardised, of people of one scanner.
    residual_growth : (A,) factor on the residual SD by age.
    site_covariance : (K, K) standardised, of scanner offsets.
    """

    warp_epsilon: np.ndarray
    warp_b: np.ndarray
    scale: np.ndarray
    mean: np.ndarray
    centre: np.ndarray
    residual_covariance: np.ndarray
    residual_growth: np.ndarray
    site_covariance: np.ndarray

    def standardise(self, values: np.ndarray) -> np.ndarray:
        """Measurements (N, K) as standardised latent values; NaN stays NaN."""
        latent = np.sinh(self.warp_b * np.arcsinh(values) + self.warp_epsilon * self.warp_b)
        return (latent - self.centre) / self.scale

    def measurement(self, standardised: np.ndarray) -> np.ndarray:
        """The inverse of `standardise`."""
        latent = standardised * self.scale + self.centre
        return np.sinh(np.arcsinh(latent) / self.warp_b - self.warp_epsilon)

    def expected(self, age_years: np.ndarray, male: np.ndarray) -> np.ndarray:
        """Standardised mean at these ages and sexes, shape (N, K), linear between grid ages."""
        age_years, male = np.atleast_1d(age_years), np.atleast_1d(male).astype(int)
        place = np.clip(age_years - AGE_GRID_YEARS[0], 0, len(AGE_GRID_YEARS) - 1.001)
        low = place.astype(int)
        part = (place - low)[:, None]
        return (1 - part) * self.mean[male, low] + part * self.mean[male, low + 1]

    def growth(self, age_years: np.ndarray) -> np.ndarray:
        """Factor on the residual SD at these ages, shape (N,)."""
        return np.interp(age_years, AGE_GRID_YEARS, self.residual_growth)

    def residuals(self, standardised: np.ndarray, age_years: np.ndarray, male: np.ndarray) -> np.ndarray:
        """Standardised values less the mean expected at age and sex, shape (N, K)."""
        return standardised - self.expected(age_years, male)


def norms_from_charts(charts: Charts, people: People) -> Norms:
    """Means, spread and scanner offsets of charts; correlation of residuals of real people within their sites."""
    known = np.isfinite(charts.residual_sd) & np.isfinite(people.values).any(axis=0) & READ_NODES
    charts = charts.of_nodes(known)
    scale = charts.residual_sd
    reference = charts.site_offsets.mean(axis=0)
    latent = np.stack([charts.latent_mean(AGE_GRID_YEARS, np.full(len(AGE_GRID_YEARS), float(sex))) for sex in (0, 1)])
    latent = latent + reference
    centre = latent[:, AGE_GRID_YEARS == REFERENCE_AGE_YEARS].mean(axis=(0, 1))
    offsets = (charts.site_offsets - reference) / scale
    draft = Norms(
        charts.warp_epsilon,
        charts.warp_b,
        scale,
        (latent - centre) / scale,
        centre,
        np.eye(len(scale)),
        np.ones(len(AGE_GRID_YEARS)),
        _shrink(np.cov(offsets.T), _SITE_SHRINKAGE),
    )
    values = people.values[:, known]
    draft = _between_charts_and_table(draft, values, people)
    return _among_all(_with_residuals_of(draft, values, people), known)


def norms_from_people(people: People) -> Norms:
    """Norms fitted to a table: a penalised spline of age, sex and a penalised offset per site, for every channel.

    Raises
    ------
    InputError : all people are of one sex.
    """
    if np.ptp(people.male) == 0:
        raise InputError(
            f"The {len(people)} people of {', '.join(np.unique(people.site)[:5])} are all of one sex: how the other "
            "differs cannot be learned.",
            "Give people of both sexes at every site, or at enough of them that some remain when sites are held out.",
        )
    known = (np.isfinite(people.values).sum(axis=0) >= _FEWEST_OF_SITE) & READ_NODES
    measured = people.values[:, known]
    values = np.where(np.isnan(measured), np.nanmean(measured, axis=0), measured)
    basis = spline_basis(people.age_years, _TABLE_KNOTS_YEARS)
    sites, index = np.unique(people.site, return_inverse=True)
    design = np.hstack([basis, people.male[:, None], np.eye(len(sites))[index]])
    roughness = np.zeros((design.shape[1], design.shape[1]))
    second = np.diff(np.eye(basis.shape[1]), n=2, axis=0)
    roughness[: basis.shape[1], : basis.shape[1]] = 3.0 * second.T @ second
    roughness[np.arange(basis.shape[1]), np.arange(basis.shape[1])] += 1e-3
    roughness[np.arange(basis.shape[1] + 1, len(roughness)), np.arange(basis.shape[1] + 1, len(roughness))] = 4.0
    coefficients = np.linalg.solve(design.T @ design + roughness, design.T @ values)
    scale = (values - design @ coefficients).std(axis=0)
    grid = spline_basis(AGE_GRID_YEARS, _TABLE_KNOTS_YEARS) @ coefficients[: basis.shape[1]]
    latent = np.stack([grid, grid + coefficients[basis.shape[1]]])
    centre = latent[:, AGE_GRID_YEARS == REFERENCE_AGE_YEARS].mean(axis=(0, 1))
    offsets = coefficients[basis.shape[1] + 1 :] / scale
    prior = np.full((len(scale), len(scale)), _PRIOR_SITE_SD_COMMON**2)
    np.fill_diagonal(prior, _PRIOR_SITE_SD_COMMON**2 + _PRIOR_SITE_SD_OWN**2)
    weight = len(sites) / (len(sites) + _PRIOR_SITES)
    ones = np.ones(len(scale))
    draft = Norms(
        0 * ones,
        ones,
        scale,
        (latent - centre) / scale,
        centre,
        np.eye(len(scale)),
        np.ones(len(AGE_GRID_YEARS)),
        weight * np.cov(offsets.T) + (1 - weight) * prior,
    )
    return _among_all(_with_residuals_of(draft, measured, people), known)


def with_sides_drawn_together(norms: Norms) -> Norms:
    """Norms whose sides change with age and vary half as differently; what is usual on a side stays its own.

    Much of what the sides differ by is chance of the people it was learned from. It makes one side read older than the
    other where a scanner shifts all of a brain. Half way keeps what is real in it: drawn together entirely, ages of
    people at held-out sites were off by 0.1 to 0.2 years more.
    """
    swapped = np.ix_(MIRROR_IMAGES, MIRROR_IMAGES)
    own, other = 1 - _SIDES_SHARED / 2, _SIDES_SHARED / 2
    return replace(
        norms,
        mean=own * norms.mean + other * norms.mean[:, :, MIRROR_IMAGES],
        residual_covariance=own * norms.residual_covariance + other * norms.residual_covariance[swapped],
        site_covariance=own * norms.site_covariance + other * norms.site_covariance[swapped],
    )


def _among_all(norms: Norms, known: np.ndarray) -> Norms:
    """Norms of the known nodes as norms of all: an unknown node has a scale of NaN and goes with no other."""
    if known.all():
        return norms
    count = len(known)
    vectors = {name: np.zeros(count) for name in ("warp_epsilon", "centre")}
    vectors |= {"warp_b": np.ones(count), "scale": np.full(count, np.nan)}
    for name, values in vectors.items():
        values[known] = getattr(norms, name)
    mean = np.zeros((*norms.mean.shape[:2], count))
    mean[:, :, known] = norms.mean
    covariances = {}
    for name in ("residual_covariance", "site_covariance"):
        covariances[name] = np.eye(count)
        covariances[name][np.ix_(known, known)] = getattr(norms, name)
    return Norms(mean=mean, residual_growth=norms.residual_growth, **vectors, **covariances)


def _between_charts_and_table(draft: Norms, values: np.ndarray, people: People) -> Norms:
    """Norms of a scanner that is as likely to be like those of the table as like those of the charts.

    The table's scanners may differ from the charts' as a group (older sequences, another software version): the average
    scanner moves half way towards them and the covariance of offsets grows by what lies between the groups.
    """
    standardised = draft.standardise(values)
    residuals = draft.residuals(standardised, people.age_years, people.male)
    means = []
    for site in np.unique(people.site):
        block = residuals[people.site == site]
        if len(block) >= _FEWEST_OF_SITE:
            known = np.isfinite(block).any(axis=0)
            mean = np.full(block.shape[1], np.nan)
            mean[known] = np.nanmean(block[:, known], axis=0)
            means.append(mean)
    if not means:
        return draft
    table = np.nanmean(means, axis=0)
    half = 0.5 * np.where(np.isfinite(table), table, 0.0)
    # The mean stays 0 at the reference age: the shift goes into what standardised 0 means.
    return replace(
        draft,
        centre=draft.centre + half * draft.scale,
        site_covariance=draft.site_covariance + np.outer(half, half),
    )


def _with_residuals_of(draft: Norms, values: np.ndarray, people: People) -> Norms:
    """The draft with covariance and growth of the residuals of real people."""
    standardised = draft.standardise(values)
    residuals = draft.residuals(standardised, people.age_years, people.male)
    covariance, growth = residual_statistics(residuals, people.site, people.age_years)
    return replace(draft, residual_covariance=covariance, residual_growth=growth)


def residual_statistics(
    residuals: np.ndarray, site: np.ndarray, age_years: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Covariance (K, K) of residuals within sites, shrunken, and the growth (A,) of their SD with age.

    Parameters
    ----------
    residuals : (N, K) standardised, NaN where not measured.
    """
    centred = np.full_like(residuals, np.nan)
    for name in np.unique(site):
        rows = site == name
        if rows.sum() >= 3:
            block = residuals[rows]
            known = np.isfinite(block).any(axis=0)
            # n - 1 people are free to vary about their own mean
            inflate = np.sqrt(rows.sum() / (rows.sum() - 1))
            centred[np.ix_(rows, known)] = (block[:, known] - np.nanmean(block[:, known], axis=0)) * inflate
    known = np.isfinite(centred)
    spread = np.sqrt(np.nanmean(centred**2, axis=0))
    size = np.sqrt(np.nanmean((centred / spread) ** 2, axis=1))
    used = np.isfinite(size)
    growth = _smooth_growth(age_years[used], size[used])
    scaled = centred / np.interp(age_years, AGE_GRID_YEARS, growth)[:, None]
    weight = np.sqrt(_weight_by_rarity(age_years))[:, None]
    filled, counted = np.where(known, scaled, 0.0) * weight, known * weight
    covariance = filled.T @ filled / np.maximum(counted.T @ counted, 1.0)
    values, vectors = np.linalg.eigh(_shrink(covariance, _CORRELATION_SHRINKAGE))
    return (vectors * np.maximum(values, 1e-3)) @ vectors.T, growth


def _weight_by_rarity(age_years: np.ndarray) -> np.ndarray:
    """(N,) what each person counts, 1 on the mean: the more, the fewer others are of about that age."""
    near = _nearness(age_years, _RARITY_WINDOW_YEARS).sum(axis=1)
    weight = np.interp(age_years, AGE_GRID_YEARS, near) ** -_RARITY_POWER
    return weight / weight.mean()


def _nearness(age_years: np.ndarray, sd_years: float) -> np.ndarray:
    """(A, N) Gaussian window around every grid age."""
    return np.exp(-0.5 * ((AGE_GRID_YEARS[:, None] - age_years) / sd_years) ** 2)


def _smooth_growth(age_years: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Root mean square of residual sizes around every grid age (Gaussian window, 8 years)."""
    weights = _nearness(age_years, 8.0)
    # a pull of 20 people towards the overall size keeps ages without data tame
    overall = np.mean(size**2)
    return np.sqrt((weights @ size**2 + 20 * overall) / (weights.sum(axis=1) + 20))


def _shrink(covariance: np.ndarray, amount: float) -> np.ndarray:
    return (1 - amount) * covariance + amount * np.diag(np.diag(covariance))
