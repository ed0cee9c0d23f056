"""The structure network's arithmetic, without training."""

from __future__ import annotations

import torch
from RegionalBrainAgeLib.structures.network import StructureNetwork, from_cells, to_cells


def test_cells_and_voxels_are_each_others_inverse():
    half = torch.arange(8 * 12 * 16, dtype=torch.float32).reshape(1, 1, 8, 12, 16)
    assert torch.equal(from_cells(to_cells(half)[0][:, None]), half[0])


def test_a_cell_holds_its_own_eight_voxels():
    half = torch.zeros(1, 1, 8, 8, 8)
    half[0, 0, 3, 4, 7] = 1.0
    cells = to_cells(half)
    assert cells[0, :, 1, 2, 3].sum() == 1
    assert cells.sum() == 1


def test_some_voxels_of_a_cell_are_computed_as_all_of_them():
    torch.manual_seed(0)
    network = StructureNetwork(5, (8, 8, 8), (16, 16, 16)).eval()
    half = torch.rand(1, 1, 16, 16, 16)
    with torch.inference_mode():
        everything = network(half)
        some = network(half, [6, 1])
    assert everything.shape == (8, 5, 8, 8, 8)
    assert torch.allclose(some, everything[[6, 1]], atol=1e-5)
