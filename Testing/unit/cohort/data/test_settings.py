"""Settings are whole and of the declared types, or refused in words."""

from __future__ import annotations

import contextlib
import dataclasses
import json

import numpy as np
import pytest
from RegionalBrainAgeCohortLib.data.settings import Settings
from RegionalBrainAgeLib.errors import InputError


def test_settings_that_make_no_sense_are_refused():
    for bad in ({"severe_cut": 25}, {"families": ("mixed", "magic")}, {"sem_missing": "guess"}, {"folds": 1},
                {"severe_cut": "x"}, {"families": [5]}, {"folds": []}, {"covariates": 5}, {"covariates": "age"},
                {"threads": 0}, {"motor": "gait"}, {"motor": "fm", "motor_scale": 66}):  # fmt: skip
        with pytest.raises(InputError):
            Settings(**bad)
    with pytest.raises(InputError, match="Unknown setting colour"):
        Settings.from_dict({"colour": "red"})
    assert Settings.from_dict(Settings().as_dict()) == Settings()


@pytest.mark.parametrize("wrong", [None, True, "x", 1.5, [3], {}, float("nan"), 10**400, np.array([1, 2]), object()])
def test_a_setting_of_any_type_is_taken_or_refused(wrong):
    for field in dataclasses.fields(Settings):
        with contextlib.suppress(InputError):
            Settings(**{field.name: wrong})


def test_numbers_of_numpy_are_numbers():
    given = Settings(seed=np.int64(3), folds=np.uint8(4), severe_cut=np.float32(0.5), motor_scale=np.float64(66))
    assert given == Settings(seed=3, folds=4, severe_cut=0.5, motor_scale=66)
    assert json.loads(json.dumps(given.as_dict()))["seed"] == 3
