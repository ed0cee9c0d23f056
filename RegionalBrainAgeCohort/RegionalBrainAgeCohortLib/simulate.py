"""A made-up cohort in which the published effects are true by construction, for teaching, power and tests.

Lesion volume, tract load, salience load and motor outcome are joined by a Gaussian copula with bounded margins; PADs
are linear in lesion volume, motor outcome and each other with a random site effect; thickness falls with brain age.
The free numbers are solved so that, in the population, the analyses of this library have the published values as their
answers (`TRUE_EFFECTS`). Effects that are not published (which networks take which volume effect, noise, site variance,
thickness) are chosen here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from RegionalBrainAgeLib.case.result.tables import processed_columns
from RegionalBrainAgeLib.errors import InputError
from RegionalBrainAgeLib.files.atomic_file import write_atomically
from RegionalBrainAgeLib.files.tables import table_text
from scipy import optimize, stats

NETWORKS = ("smn", "fpn", "dan", "van", "sal", "dmn", "aud", "vis", "lim")
VOLUME_SLOPES = dict(zip(NETWORKS, np.round(np.linspace(0.5420, 0.9458, 9), 4), strict=True))
VAN_SLOPE = -0.3747
CST_MOTOR, MOTOR_CONTRA = -0.355, 0.204
CST_DIFFERENCE, SAL_DIFFERENCE, FPN_DIFFERENCE = -0.0905, -0.0632, 0.9939
POINTS, SEVERE_POINTS = 66, 25

_LOG_VOLUME = (2.6, 1.5)  # mean and SD of the natural log of ml, cut at the next line
_VOLUME_RANGE_ML = (0.1, 400.0)
_VOLUME_CST, _VOLUME_SAL, _CST_SAL = 0.45, 0.40, 0.35  # copula correlations
_CST_MEAN, _SAL_BETA, _MOTOR_BETA = 0.35, (1.8, 7.2), (1.0, 1.2)
_IPSI_ON_CONTRA = 0.15
_AGE_SLOPE = -0.04
_SITE_SD, _NOISE_SD = 1.5, 5.0
_SITE_SHARE = 0.08  # of what is unexplained in the contralesional frontoparietal PAD
_THICKNESS_MM = dict(zip(NETWORKS, np.round(np.linspace(2.2, 2.9, 9), 2), strict=True))
_THINNING_MM_PER_YEAR = 0.01  # of brain age: the cortex a PAD is read from
_THICKNESS_SITE_SD_MM, _THICKNESS_NOISE_SD_MM = 0.06, 0.10


@dataclass(frozen=True)
class Effect:
    """One published effect: where the analysis reports it and its true value. `outcome` is a column name."""

    name: str
    table: str
    outcome: str
    value: float


TRUE_EFFECTS = (
    *(Effect("lesion size -> ipsilesional PADs", "mixed_models", f"pad_ipsi_{n}", s) for n, s in VOLUME_SLOPES.items()),
    Effect("lesion size -> contralesional VAN PAD", "mixed_models", "pad_contra_van", VAN_SLOPE),
    Effect("mild - severe, CST load", "group_differences", "load_cst", CST_DIFFERENCE),
    Effect("mild - severe, salience load", "group_differences", "load_ipsi_sal", SAL_DIFFERENCE),
    Effect("mild - severe, contralesional FPN PAD", "group_differences", "pad_contra_fpn", FPN_DIFFERENCE),
    Effect("SEM: CST load -> motor", "sem_paths", "motor", CST_MOTOR),
    Effect("SEM: motor -> contralesional FPN PAD", "sem_paths", "pad_contra_fpn", MOTOR_CONTRA),
)


@dataclass(frozen=True)
class _Solved:
    """Numbers that make the published effects true."""

    cst_beta: tuple[float, float]
    on_motor: np.ndarray  # weights of the tract and salience scores in the motor score
    motor_noise: float
    contra_motor: float
    contra_variance: float


_GRID = np.linspace(-8, 8, 4001)
_DENSITY = stats.norm.pdf(_GRID) * (_GRID[1] - _GRID[0])


def _motor_thresholds() -> np.ndarray:
    """Normal scores at which the motor outcome, in points, steps up by one."""
    return stats.norm.ppf(stats.beta.cdf((np.arange(POINTS) + 0.5) / POINTS, *_MOTOR_BETA))


def _above(values: np.ndarray, correlation: float, thresholds: np.ndarray) -> np.ndarray:
    """E[g(z) 1(w > k)] for every threshold k; z and w standard normal with `correlation`, `values` = g on the grid."""
    reach = (correlation * _GRID[:, None] - thresholds) / np.sqrt(1 - correlation**2)
    return (values * _DENSITY) @ stats.norm.cdf(reach)


def _difference(values: np.ndarray, correlation: float) -> float:
    """Mean of g(z) among the mild minus among the severe."""
    cut = _motor_thresholds()[[SEVERE_POINTS]]
    mild = float(stats.norm.sf(cut[0]))
    upper, mean = float(_above(values, correlation, cut)[0]), float(values @ _DENSITY)
    return upper / mild - (mean - upper) / (1 - mild)


def _covariance_with_motor(values: np.ndarray, correlation: float) -> float:
    thresholds = _motor_thresholds()
    product = float(_above(values, correlation, thresholds).sum()) / POINTS
    return product - float(values @ _DENSITY) * float(stats.norm.sf(thresholds).sum()) / POINTS


def _variance(values: np.ndarray) -> float:
    mean = float(values @ _DENSITY)
    return float((values - mean) ** 2 @ _DENSITY)


def _margin(beta: tuple[float, float]) -> np.ndarray:
    return stats.beta.ppf(np.clip(stats.norm.cdf(_GRID), 1e-15, 1 - 1e-15), *beta)


def _log_volume(score: np.ndarray) -> np.ndarray:
    """Natural log of the lesion volume for a normal score: a normal distribution cut to what a head can hold."""
    low, high = (np.log(np.array(_VOLUME_RANGE_ML)) - _LOG_VOLUME[0]) / _LOG_VOLUME[1]
    share = np.clip(stats.norm.cdf(score), 1e-15, 1 - 1e-15)
    return stats.truncnorm.ppf(share, low, high, *_LOG_VOLUME)


@cache
def _solve() -> _Solved:
    thresholds = _motor_thresholds()
    share_above = stats.norm.sf(thresholds)
    motor_mean = float(share_above.sum()) / POINTS
    # E[motor^2] from its steps: points^2 = sum over j of (2j + 1) 1(points > j)
    motor_variance = float(((2 * np.arange(POINTS) + 1) * share_above).sum()) / POINTS**2 - motor_mean**2

    def tract_correlation(beta: tuple[float, float]) -> float:
        values = _margin(beta)
        scale = np.sqrt(_variance(values) * motor_variance)
        return optimize.brentq(lambda r: _covariance_with_motor(values, r) / scale - CST_MOTOR, -0.9, 0.0)

    def beta_of(concentration: float) -> tuple[float, float]:
        return _CST_MEAN * concentration, (1 - _CST_MEAN) * concentration

    def off_target(log_concentration: float) -> float:
        beta = beta_of(np.exp(log_concentration))
        return _difference(_margin(beta), tract_correlation(beta)) - CST_DIFFERENCE

    cst_beta = beta_of(float(np.exp(optimize.brentq(off_target, np.log(1.5), np.log(60)))))
    cst = tract_correlation(cst_beta)
    sal_values = _margin(_SAL_BETA)
    sal = optimize.brentq(lambda r: _difference(sal_values, r) - SAL_DIFFERENCE, -0.9, 0.0)
    weights = np.linalg.solve(np.array([[1, _CST_SAL], [_CST_SAL, 1]]), np.array([cst, sal]))
    motor_noise = float(np.sqrt(1 - weights @ [cst, sal]))

    volume = float(weights @ [_VOLUME_CST, _VOLUME_SAL])
    log_volume = _log_volume(_GRID)
    motor_difference = (motor_mean - _severe_mean(thresholds)) / float(share_above[SEVERE_POINTS])
    slope = VOLUME_SLOPES["fpn"]
    contra_motor = (FPN_DIFFERENCE - _IPSI_ON_CONTRA * slope * _difference(log_volume, volume)) / motor_difference
    ipsi_variance = slope**2 * _variance(log_volume) + (_AGE_SLOPE * 12) ** 2 + _SITE_SD**2 + _NOISE_SD**2
    with_ipsi = slope * _covariance_with_motor(log_volume, volume)
    total = contra_motor**2 * motor_variance / MOTOR_CONTRA**2
    explained = (
        contra_motor**2 * motor_variance
        + _IPSI_ON_CONTRA**2 * ipsi_variance
        + 2 * contra_motor * _IPSI_ON_CONTRA * with_ipsi
    )
    return _Solved(cst_beta, weights, motor_noise, contra_motor, total - explained)


def _severe_mean(thresholds: np.ndarray) -> float:
    """Mean motor outcome among the severe: E[motor | points <= cut]."""
    below = stats.norm.cdf(thresholds)
    severe = float(below[SEVERE_POINTS])
    return float((severe - below[:SEVERE_POINTS]).sum()) / POINTS / severe


def simulate_cohort(n: int, sites: int = 34, seed: int = 1) -> list[dict]:
    """Rows of a made-up processed_cases.csv: `n` cases of `sites` sites of uneven size, at least two cases each."""
    if sites < 1 or n < 2 * sites:
        raise InputError(f"{n} cases cannot fill {sites} sites.", "Simulate at least two cases for every site.")
    if seed < 0:
        raise InputError(f"The seed is {seed}.", "Give a whole number, 0 or more.")
    solved, rng = _solve(), np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(sites, 2.0))
    site = np.repeat(np.arange(sites), 2 + rng.multinomial(n - 2 * sites, shares))
    age = np.clip(rng.normal(62, 12, n), 20, 95)
    male = rng.random(n) < 0.6
    side = np.where(rng.random(n) < 0.5, "L", "R")

    correlation = np.array([[1, _VOLUME_CST, _VOLUME_SAL], [_VOLUME_CST, 1, _CST_SAL], [_VOLUME_SAL, _CST_SAL, 1]])
    volume, cst, sal = rng.multivariate_normal(np.zeros(3), correlation, n).T
    motor_score = solved.on_motor @ [cst, sal] + solved.motor_noise * rng.normal(size=n)
    motor = np.searchsorted(_motor_thresholds(), motor_score) / POINTS
    log_volume = _log_volume(volume)

    columns: dict[str, np.ndarray] = {"load_cst": stats.beta.ppf(stats.norm.cdf(cst), *solved.cst_beta)}
    for net in NETWORKS:
        score = sal if net == "sal" else 0.5 * volume + np.sqrt(0.75) * rng.normal(size=n)
        columns[f"load_ipsi_{net}"] = stats.beta.ppf(stats.norm.cdf(score), *_SAL_BETA)
        columns[f"load_contra_{net}"] = np.where(rng.random(n) < 0.15, rng.beta(0.5, 40, n), 0.0)
        columns[f"pad_ipsi_{net}"] = (
            rng.normal(0, _SITE_SD, sites)[site]
            + VOLUME_SLOPES[net] * (log_volume - _LOG_VOLUME[0])
            + _AGE_SLOPE * (age - 62)
            + rng.normal(0, _NOISE_SD, n)
        )
        slope = VAN_SLOPE if net == "van" else 0.0
        columns[f"pad_contra_{net}"] = (
            rng.normal(0, _SITE_SD, sites)[site] + slope * (log_volume - _LOG_VOLUME[0]) + rng.normal(0, _NOISE_SD, n)
        )
    site_sd = np.sqrt(_SITE_SHARE * solved.contra_variance)
    noise_sd = np.sqrt((1 - _SITE_SHARE) * solved.contra_variance)
    columns["pad_contra_fpn"] = (
        solved.contra_motor * (motor - motor.mean())
        + _IPSI_ON_CONTRA * columns["pad_ipsi_fpn"]
        + rng.normal(0, site_sd, sites)[site]
        + rng.normal(0, noise_sd, n)
    )
    columns["load_cst_weighted"] = np.clip(columns["load_cst"] * rng.uniform(0.9, 1.3, n), 0, 1)
    for net in NETWORKS:
        left = side == "L"
        ipsi, contra = columns[f"pad_ipsi_{net}"], columns[f"pad_contra_{net}"]
        columns[f"pad_left_{net}"] = np.where(left, ipsi, contra)
        columns[f"pad_right_{net}"] = np.where(left, contra, ipsi)
    days = np.round(180 + rng.exponential(900, n)) + 1
    for end in (f"{lesion_side}_{net}" for lesion_side in ("ipsi", "contra") for net in NETWORKS):
        columns[f"thickness_{end}"] = (
            _THICKNESS_MM[end.split("_")[1]]
            - _THINNING_MM_PER_YEAR * (age - 62 + columns[f"pad_{end}"])
            + rng.normal(0, _THICKNESS_SITE_SD_MM, sites)[site]
            + rng.normal(0, _THICKNESS_NOISE_SD_MM, n)
        )
    rows = []
    for i in range(n):
        rows.append(
            {
                "case_id": f"sim-{i + 1:04d}",
                "site": f"site{site[i] + 1:02d}",
                "age": round(float(age[i]), 1),
                "sex": "M" if male[i] else "F",
                "lesion_side": str(side[i]),
                "days_post_stroke": int(days[i]),
                "lesion_volume_ml": float(np.exp(log_volume[i])),
                "motor": float(motor[i]),
                "calibrated": True,
                "qc": "pass",
                "model": "simulated",
                "version": "",
                "simulated": "all",
                **{name: float(values[i]) for name, values in columns.items()},
            }
        )
    return rows


def write_cohort(rows: list[dict], path: Path) -> None:
    """Write simulated rows as a processed_cases.csv."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, table_text(rows, processed_columns(NETWORKS), csv_file=True))
