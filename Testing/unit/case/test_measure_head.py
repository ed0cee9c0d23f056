"""However a head is stored, the chain works on the same numbers: every order and direction of the voxel axes."""

from __future__ import annotations

import itertools

import nibabel as nib
import numpy as np
import pytest
from RegionalBrainAgeLib.case.case import Case
from RegionalBrainAgeLib.case.measure_head import read_scan
from RegionalBrainAgeLib.geometry.image import from_canonical

CODES = ["".join(c) for p in itertools.permutations(("RL", "AP", "SI")) for c in itertools.product(*p)]


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """An asymmetric, anisotropic head (an ellipsoid with a bright left ear) and a lesion, turned by 7 degrees."""
    folder = tmp_path_factory.mktemp("heads")
    i, j, k = np.meshgrid(np.linspace(-1, 1, 80), np.linspace(-1, 1, 70), np.linspace(-1, 1, 60), indexing="ij")
    noise = np.random.default_rng(1).normal(0, 2, i.shape)
    head = np.where(i**2 + 1.1 * j**2 + k**2 < 0.8, 100 + 20 * j, 3) + noise
    head[(i + 0.9) ** 2 + j**2 + k**2 < 0.01] = 220
    lesion = ((i + 0.5) ** 2 + j**2 + (k - 0.3) ** 2 < 0.04).astype(np.uint8)
    turn = np.eye(4)
    c, s = np.cos(np.radians(7)), np.sin(np.radians(7))
    turn[:2, :2] = [[c, -s], [s, c]]
    affine = turn @ np.diag([1.5, 1.8, 2.0, 1.0])
    affine[:3, 3] = [-60, -63, -60]
    images = {"t1": nib.Nifti1Image(head.astype(np.float32), affine), "lesion": nib.Nifti1Image(lesion, affine)}

    def write(code: str) -> Case:
        paths = {}
        for name, image in images.items():
            turned = nib.orientations.ornt_transform(
                nib.io_orientation(affine), nib.orientations.axcodes2ornt(tuple(code))
            )
            paths[name] = folder / f"{code}_{name}.nii"
            nib.save(image.as_reoriented(turned), paths[name])
        return Case(code, paths["t1"], 50.0, "F", lesion=paths["lesion"])

    return write


@pytest.mark.parametrize("code", CODES)
def test_every_voxel_order_gives_the_same_canonical_head(stored, code):
    case = stored(code)
    reference, scan = read_scan(stored("RAS")), read_scan(case)
    for one, other in ((reference.t1, scan.t1), (reference.lesion, scan.lesion)):
        assert np.array_equal(one.array, other.array)
        assert np.allclose(one.ras_from_ijk, other.ras_from_ijk, atol=1e-4)
    # What is written lies on the file's own grid: the same voxel at the same place.
    back = from_canonical(scan.t1, scan.file_grid)
    file = nib.load(case.t1)
    assert np.array_equal(back.array, np.asarray(file.dataobj))
    assert np.allclose(back.ras_from_ijk, file.affine, atol=1e-4)
