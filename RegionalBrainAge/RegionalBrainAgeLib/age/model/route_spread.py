"""How far contrasts within a healthy brain reach by a route, beside the FreeSurfer people of a model's error tables.

A route may smooth, or add noise: its healthy people then deviate less, or more, from the age of their brain. What a
scanner does to contrasts cannot be seen in people of one scanner; it is taken from the tables, which hold errors by an
unknown scanner and by one with local controls.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ...errors import InputError
from ..people import People
from .brain_age_model import BrainAgeModel
from .intervals import COVERAGE
from .route import RouteModel

_FOLDS = 6
# With fewer, a route fitted to five sixths of them is another route.
_FEWEST_PEOPLE = 30


def contrast_spread(model: BrainAgeModel, fit: Callable[[People], RouteModel], people: People) -> float:
    """`RouteModel.contrast_spread` of a route; 1 for fewer than 30 people, or where five sixths of them tell no route.

    Each sixth of the people is read by the route fitted to the others. Ninety percent of their deviations shall lie
    within the healthy range; what the scanner adds to the range is taken off.

    Parameters
    ----------
    fit : gives the route model of people. people : healthy, of one scanner, of known ages.
    """
    if len(people) < _FEWEST_PEOPLE:
        return 1.0
    by_age = np.argsort(people.age_years, kind="stable")
    reach = []
    for fold in range(_FOLDS):
        held_out = np.isin(np.arange(len(people)), by_age[fold::_FOLDS])
        try:
            route = replace(fit(people.take(~held_out)), contrast_spread=1.0)
        except InputError:  # without the youngest or the oldest the ages are too close together
            return 1.0
        ages = replace(model, routes={**model.routes, route.route: route}).predict_people(people.take(held_out))
        half_range = (ages.deviation_upper_years - ages.deviation_lower_years) / 2
        reach.append(np.abs(ages.deviation_corrected_years) / half_range)
    found = np.nanquantile(np.concatenate(reach), COVERAGE)
    # `found` is of the range of an unknown scanner at a spread of 1.
    return float(found * np.sqrt(1.0 / model.known_scanner_share))
