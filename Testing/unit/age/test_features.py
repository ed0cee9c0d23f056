"""Features: shapes are checked where they are made, and cortex alone leaves every volume missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from RegionalBrainAgeLib.age.features import features_of_parcels
from RegionalBrainAgeLib.anatomy.parcels import PARCEL_NAMES, ParcelFeatures


@pytest.fixture
def parcels() -> ParcelFeatures:
    return ParcelFeatures(PARCEL_NAMES, np.full(148, 2.5), np.zeros(148), np.full(148, 100))


def test_cortex_alone_leaves_volumes_and_head_size_missing(parcels):
    features = features_of_parcels(parcels, (3.0, 0.0), "T1")
    assert np.isnan(features.volumes_mm3).all()
    assert np.isnan(features.intracranial_volume_mm3)
    assert np.array_equal(features.thickness_mm, parcels.thickness_mm)
    assert features.lesion_volume_ml == (3.0, 0.0)
    assert features.route == "T1"


def test_a_wrong_shape_or_route_is_refused(parcels):
    features = features_of_parcels(parcels)
    with pytest.raises(ValueError, match="volumes_mm3 must have the shape"):
        replace(features, volumes_mm3=np.zeros(29))
    with pytest.raises(ValueError, match="route must be one of"):
        replace(features, route="CAT12")
