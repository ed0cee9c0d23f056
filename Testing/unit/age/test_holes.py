"""Holes in the cortex against hand-made lesions."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from RegionalBrainAgeLib.age.holes import grown_holes, project_lesions
from RegionalBrainAgeLib.age.model.graph import parcel_edges
from RegionalBrainAgeLib.anatomy.parcels import PARCEL_NAMES, destrieux_atlas
from RegionalBrainAgeLib.errors import InputError


def test_a_lesion_that_is_one_parcel_damages_it_wholly_and_its_neighbours_little(tmp_path):
    atlas = destrieux_atlas()
    parcel = PARCEL_NAMES.index("lh_G_precentral")
    mask = (atlas.array == parcel + 1).astype(np.uint8)
    nib.save(nib.Nifti1Image(mask, atlas.ras_from_ijk), tmp_path / "a.nii.gz")
    holes = project_lesions(tmp_path)
    assert holes.lesioned_fraction[0, parcel] == pytest.approx(1.0)
    assert holes.missing[0, parcel]
    assert np.delete(holes.lesioned_fraction[0], parcel).max() == 0.0
    assert not holes.missing[0, 74:].any()


def test_a_mirrored_grid_of_the_same_lesion_damages_the_same_parcels(tmp_path):
    atlas = destrieux_atlas()
    mask = np.isin(atlas.array, [30, 31, 60]).astype(np.uint8)
    flip = np.diag([-1.0, 1.0, 1.0, 1.0])
    flip[0, 3] = mask.shape[0] - 1
    nib.save(nib.Nifti1Image(mask, atlas.ras_from_ijk), tmp_path / "a.nii.gz")
    nib.save(nib.Nifti1Image(mask[::-1], atlas.ras_from_ijk @ flip), tmp_path / "b.nii.gz")
    holes = project_lesions(tmp_path)
    np.testing.assert_allclose(holes.lesioned_fraction[0], holes.lesioned_fraction[1])
    np.testing.assert_array_equal(holes.missing[0], holes.missing[1])


def test_a_folder_without_masks_is_refused(tmp_path):
    with pytest.raises(InputError, match="no NIfTI masks"):
        project_lesions(tmp_path)


def test_grown_holes_are_connected_patches():
    edges = parcel_edges()
    holes = grown_holes(edges, 148, 50, np.random.default_rng(0))
    neighbours = np.zeros((148, 148), dtype=bool)
    neighbours[tuple(edges.T)] = neighbours[tuple(edges.T[::-1])] = True
    for hole in holes.missing:
        patch = np.nonzero(hole)[0]
        reached = {patch[0]}
        for _ in patch:
            reached |= {node for node in patch if neighbours[node, list(reached)].any()}
        assert reached == set(patch)
