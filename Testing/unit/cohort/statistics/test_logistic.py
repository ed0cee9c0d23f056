"""Calibration of predicted probabilities, beside statsmodels' GLM with the logit as offset."""

import numpy as np
import pytest
import statsmodels.api as sm
from RegionalBrainAgeCohortLib.statistics.logistic import calibration


def test_calibration_in_the_large_is_the_intercept_of_a_logistic_model_with_the_prediction_as_offset():
    rng = np.random.default_rng(0)
    logit = rng.normal(0, 1.5, 400)
    y = (rng.random(400) < 1 / (1 + np.exp(-(logit - 0.7)))).astype(float)
    model = sm.GLM(y, np.ones((400, 1)), family=sm.families.Binomial(), offset=logit).fit()
    assert calibration(y, 1 / (1 + np.exp(-logit)))[0] == pytest.approx(model.params[0], abs=1e-6)


def test_predictions_of_0_and_1_have_a_calibration_within_reason():
    probability = np.tile([1e-9, 1 - 1e-9, 1e-9], 20)
    y = (np.arange(60) % 4 == 0).astype(float)
    assert abs(calibration(y, probability)[0]) < 20


def test_without_cases_of_both_classes_there_is_no_calibration_in_the_large():
    assert np.isnan(calibration(np.ones(10), np.linspace(0.2, 0.8, 10))[0])
