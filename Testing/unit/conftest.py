"""Made people for tests of ages: thickness falls and ventricles grow with age, scanners shift both."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from RegionalBrainAgeLib.age.features import NODE_NAMES
from RegionalBrainAgeLib.age.people import People
from RegionalBrainAgeLib.anatomy.parcels import PARCEL_NAMES
from RegionalBrainAgeLib.anatomy.structures import FLUID_STRUCTURES, GRAY_MATTER, INTRACRANIAL, STRUCTURE_NAMES

PEOPLE, SITES = 240, 4
SLOPE_MM_PER_YEAR = -0.004


def make_table() -> pd.DataFrame:
    """240 people of 4 sites in the format of `train`.

    Thickness: -0.004 mm a year, SD 0.12 mm, site shifts of about 0.1 mm. Volumes: fluid grows by 1 % of its mean a
    year, tissue shrinks by 0.3 %, SD 15 %.
    """
    rng = np.random.default_rng(7)
    age = rng.uniform(18, 90, PEOPLE)
    site = np.repeat(np.arange(SITES), PEOPLE // SITES)
    base = rng.uniform(2.0, 3.2, len(PARCEL_NAMES))
    shift = rng.normal(0, 0.1, (SITES, 1)) + rng.normal(0, 0.03, (SITES, len(PARCEL_NAMES)))
    own = 0.06 * rng.standard_normal((PEOPLE, 1)) + 0.10 * rng.standard_normal((PEOPLE, len(PARCEL_NAMES)))
    thickness = base + SLOPE_MM_PER_YEAR * (age - 50)[:, None] + shift[site] + own
    frame = pd.DataFrame(thickness, columns=list(PARCEL_NAMES))
    volumes = {}
    for name in STRUCTURE_NAMES:
        growth = 0.01 if name in FLUID_STRUCTURES else -0.003
        mean_mm3 = 3.2e5 if name in GRAY_MATTER else rng.uniform(1000, 8000)
        volumes[name] = mean_mm3 * (1 + growth * (age - 50) + 0.15 * rng.standard_normal(PEOPLE)).clip(0.1)
    volumes[INTRACRANIAL] = 1.45e6 * (1 + 0.08 * rng.standard_normal(PEOPLE))
    frame = pd.concat([frame, pd.DataFrame(volumes)], axis=1)
    frame.insert(0, "sex", np.where(rng.random(PEOPLE) < 0.5, "F", "M"))
    frame.insert(0, "age", age)
    frame.insert(0, "site", [f"site{index}" for index in site])
    frame.insert(0, "person", [f"p{index:03d}" for index in range(PEOPLE)])
    return frame


@pytest.fixture
def made_table() -> pd.DataFrame:
    return make_table()


@pytest.fixture(scope="session")
def made_people() -> People:
    made_table = make_table()
    values = made_table[list(NODE_NAMES)].to_numpy()
    return People(
        made_table.person.to_numpy(str),
        made_table.site.to_numpy(str),
        made_table.age.to_numpy(),
        (made_table.sex == "M").to_numpy(float),
        values,
        np.zeros(values.shape),
        np.zeros((len(made_table), 2)),
    )


@pytest.fixture(scope="session")
def tiny_model(made_people):
    """A model of the made people, trained for a few steps in two folds of sites."""
    # Imported here: torch is slow to import, and most unit tests do not need it.
    import torch
    from RegionalBrainAgeLib.age.training.train_model import Sources, train_model
    from RegionalBrainAgeLib.age.training.train_network import Recipe
    from RegionalBrainAgeLib.anatomy.regions import load_scheme

    recipe = Recipe(steps=40, folds=2, hubs=6, scanner_hubs=4)
    torch.set_num_threads(1)
    return train_model(Sources(made_people), load_scheme(), recipe, "tiny", {"table": "made"})


@pytest.fixture(scope="session")
def shipped_model():
    from RegionalBrainAgeLib.age.model.model_files import load_model

    return load_model()
