"""Plain logistic regression and the calibration of predicted probabilities, by statsmodels' GLM with binomial errors.

References: McCullagh & Nelder 1989; calibration as in Van Calster et al. 2016, J Clin Epidemiol 74:167.
"""

from __future__ import annotations

import warnings

import numpy as np
import statsmodels.api as sm
from scipy.optimize import brentq
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin

_FARTHEST_LOGIT = 30.0  # a perfectly separated sample has no finite estimate; its probabilities are 0 and 1


class BinomialRegression(ClassifierMixin, BaseEstimator):
    """Maximum-likelihood logistic regression without any penalty, in scikit-learn's manner."""

    def fit(self, x: np.ndarray, y: np.ndarray) -> BinomialRegression:
        """Fit to `x` (n, features) and the classes `y` (n,) of 0 and 1."""
        self.classes_ = np.array([0, 1])
        self.coef_ = binomial_fit(sm.add_constant(x, has_constant="add"), y)
        return self

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """(n, 2) probabilities of the classes 0 and 1."""
        logit = np.clip(sm.add_constant(x, has_constant="add") @ self.coef_, -_FARTHEST_LOGIT, _FARTHEST_LOGIT)
        severe = 1 / (1 + np.exp(-logit))
        return np.column_stack([1 - severe, severe])


def binomial_fit(design: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Coefficients of a binomial GLM with logit link."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # separation and slow convergence show in the coefficients
        return np.asarray(sm.GLM(y, design, family=sm.families.Binomial()).fit(maxiter=100).params)


def calibration(y: np.ndarray, probability: np.ndarray) -> tuple[float, float]:
    """Calibration-in-the-large and calibration slope; 0 and 1 are ideal.

    In the large: intercept of ``logit P(y) = a + logit(p)``, positive where risk is underestimated. Slope: b of
    ``logit P(y) = a + b logit(p)``, below 1 where predictions are too extreme; NaN where all predictions are equal. The
    intercept is the one at which the mean probability is the share of cases: NaN without cases of both classes.
    """
    clipped = np.clip(np.asarray(probability, float), 1e-6, 1 - 1e-6)
    logit = np.log(clipped / (1 - clipped))
    ones = np.ones((len(logit), 1))
    share = float(np.mean(y))
    in_the_large = float("nan")
    if 0 < share < 1:
        # The GLM's steps run away where predictions are 0 and 1; this has one root.
        in_the_large = float(brentq(lambda shift: expit(logit + shift).mean() - share, -60.0, 60.0))
    if np.ptp(logit) < 1e-9:
        return in_the_large, float("nan")
    return in_the_large, float(binomial_fit(np.column_stack([ones, logit]), y)[1])
