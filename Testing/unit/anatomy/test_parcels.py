"""The parcel atlas, its growth into the ribbon, and the mean thickness of a parcel."""

from __future__ import annotations

import numpy as np
import pytest
from phantoms import turned
from RegionalBrainAgeLib.anatomy.atlases import load_atlas
from RegionalBrainAgeLib.anatomy.parcels import (
    NOT_CORTEX,
    PARCEL_NAMES,
    destrieux_atlas,
    mean_over_surface_mm,
    measure_parcels,
    parcels_in_ribbon,
    propagation_atlas,
)
from RegionalBrainAgeLib.anatomy.template import template_brain
from RegionalBrainAgeLib.geometry.coordinates import coordinates_mm
from RegionalBrainAgeLib.geometry.image import Image
from scipy.ndimage import map_coordinates


def mean_ras(image: Image, label: int) -> np.ndarray:
    return coordinates_mm(image, np.argwhere(image.array == label)).mean(axis=0)


def test_names_are_the_columns_of_the_normative_table(shared_data):
    with open(shared_data / "normative" / "thickness_destrieux.csv", encoding="utf-8") as stream:
        columns = stream.readline().strip().split(",")
    assert list(PARCEL_NAMES) == [name for name in columns if name.startswith(("lh_", "rh_"))]


def test_every_parcel_is_there_and_left_is_left():
    atlas = destrieux_atlas()
    assert set(np.unique(atlas.array)) == set(range(149))
    x_mm = np.array([mean_ras(atlas, label)[0] for label in range(1, 149)])
    assert np.all(x_mm[:74] < 0)
    assert np.all(x_mm[74:] > 0)


@pytest.mark.parametrize(
    ("name", "anatomy"),
    [
        ("lh_G_precentral", lambda x, y, z: x < -25 and z > 30 and -30 < y < 20),
        ("rh_Pole_occipital", lambda x, y, z: x > 5 and y < -80),
        ("lh_Pole_temporal", lambda x, y, z: x < -20 and z < -15 and y > -5),
        ("rh_G_and_S_frontomargin", lambda x, y, z: x > 10 and y > 45),
    ],
)
def test_parcels_lie_where_their_names_say(name, anatomy):
    assert anatomy(*mean_ras(destrieux_atlas(), PARCEL_NAMES.index(name) + 1))


def test_the_atlases_are_centred_on_the_template_they_are_used_with():
    """The stated sideways corrections, measured again: cortex explains the template best, hemispheres mix least."""
    destrieux, template = load_atlas("destrieux").labels, template_brain()
    codes = destrieux.array
    ijk = np.argwhere(codes > 0)[::3]
    code = codes[tuple(ijk.T)]
    tissue = np.select([np.isin(code, (2, 41)), code > 11100, np.isin(code, (4, 43))], [1, 2, 3])
    points = coordinates_mm(destrieux, ijk)

    def explained(shift_mm):
        where = (points + np.array([shift_mm, 0, 0]) - template.ras_from_ijk[:3, 3]) / np.diag(template.ras_from_ijk)[
            :3
        ]
        value = map_coordinates(template.array, where.T, order=1)
        within = sum(value[tissue == t].var() * np.mean(tissue == t) for t in range(4))
        return 1 - within / value.var()

    here = explained(0.0)
    assert here > explained(-1.0)
    assert here > explained(0.5)


def two_hemispheres():
    """A head of two slabs: left parcel 1 and right parcel 75 under a ribbon, and a deep label that is not cortex."""
    shape = (80, 30, 40)
    affine = np.eye(4)
    affine[:3, 3] = (-39.5, -15, -20)
    ribbon = np.zeros(shape, bool)
    ribbon[:, :, 20:24] = True
    atlas = np.zeros(shape, np.int16)
    atlas[2:36, :, 22] = 1
    atlas[44:78, :, 22] = 75
    return Image(atlas, affine), Image(ribbon, affine)


def test_labels_grow_to_fill_the_ribbon_and_nothing_else():
    atlas, ribbon = two_hemispheres()
    grown = parcels_in_ribbon(atlas, ribbon)
    assert np.array_equal(grown.array > 0, ribbon.array)
    assert np.all(grown.array[:40][ribbon.array[:40]] == 1)
    assert np.all(grown.array[40:][ribbon.array[40:]] == 75)


def test_labels_carried_into_the_other_hemisphere_are_not_kept():
    atlas, ribbon = two_hemispheres()
    spoiled = atlas.array.copy()
    spoiled[58:70] = np.where(spoiled[58:70] > 0, 1, 0)  # a left label deep in the right hemisphere
    grown = parcels_in_ribbon(atlas.like(spoiled), ribbon).array
    assert np.all(grown[52:][ribbon.array[52:]] == 75)


def test_cortex_labels_do_not_grow_into_deep_grey_matter():
    atlas, ribbon = two_hemispheres()
    deep = atlas.array.copy()
    deep[10:30, :, 14:18] = NOT_CORTEX
    wide = ribbon.array.copy()
    wide[10:30, :, 14:19] = True
    grown = parcels_in_ribbon(atlas.like(deep), ribbon.like(wide)).array
    assert not grown[10:30, :, 14:18].any()
    assert not (grown == NOT_CORTEX).any()
    assert grown[10:30, :, 21:24].all()


def test_growth_does_not_depend_on_the_order_of_the_voxel_axes():
    atlas, ribbon = two_hemispheres()
    grown = parcels_in_ribbon(atlas, ribbon).array

    def stored(image):
        return turned(image, (1, 2, 0), (2,))

    again = parcels_in_ribbon(stored(atlas), stored(ribbon)).array
    np.testing.assert_array_equal(again[:, :, ::-1].transpose(2, 0, 1), grown)


def test_a_destroyed_parcel_is_known_to_have_been_there():
    atlas, ribbon = two_hemispheres()
    lesion = np.zeros(ribbon.shape, bool)
    lesion[:38] = True
    gone = ribbon.like(ribbon.array & ~lesion)
    parcels = parcels_in_ribbon(atlas, gone, ribbon.like(lesion))
    features = measure_parcels(gone.like(np.where(gone.array, 2.5, np.nan)), parcels, ribbon.like(lesion))
    assert features.lesioned_fraction[0] > 0.8
    assert np.isnan(features.thickness_mm[0])
    assert features.lesioned_fraction[74] == 0
    assert features.thickness_mm[74] == pytest.approx(2.5)


def test_lesioned_and_near_lesion_voxels_are_never_measured():
    atlas, ribbon = two_hemispheres()
    parcels = parcels_in_ribbon(atlas, ribbon)
    lesion = np.zeros(ribbon.shape, bool)
    lesion[:8] = True
    thickness = np.where(ribbon.array, 2.5, np.nan)
    thickness[:11] = 9.0  # the lesion and the 3 mm around it
    features = measure_parcels(ribbon.like(thickness), parcels, ribbon.like(lesion))
    assert features.thickness_mm[0] == pytest.approx(2.5)
    assert features.lesioned_fraction[0] == pytest.approx(8 / 40)
    assert features.voxels[0] == 29 * 30 * 4


def test_a_parcel_with_less_than_half_left_is_missing():
    atlas, ribbon = two_hemispheres()
    parcels = parcels_in_ribbon(atlas, ribbon)
    thickness = ribbon.like(np.where(ribbon.array, 2.5, np.nan))
    for lesioned, missing in ((16, False), (18, True)):
        lesion = np.zeros(ribbon.shape, bool)
        lesion[:lesioned] = True
        features = measure_parcels(thickness, parcels, ribbon.like(lesion))
        assert bool(np.isnan(features.thickness_mm[0])) is missing


def test_the_mean_is_over_surface_and_holds_against_outliers():
    """Half the area 2 mm thick, half 4 mm: the 4 mm half has twice the voxels, and the mean over area is 3."""
    voxels = np.repeat([2.0, 4.0], [1000, 2000])
    assert mean_over_surface_mm(voxels) == pytest.approx(3.0, abs=0.06)
    rng = np.random.default_rng(1)
    spoiled = np.concatenate([np.full(1000, 2.5), rng.uniform(6, 9, 30)])
    assert mean_over_surface_mm(spoiled) == pytest.approx(2.5)


def test_the_extra_label_covers_deep_nuclei_and_leaves_every_parcel():
    plain, extended = destrieux_atlas().array, propagation_atlas().array
    assert np.array_equal(plain, np.where(extended == NOT_CORTEX, 0, extended))
    atlas = load_atlas("destrieux")
    assert np.all(extended[atlas.labels.array == atlas.codes["Left-Hippocampus"]] == NOT_CORTEX)
