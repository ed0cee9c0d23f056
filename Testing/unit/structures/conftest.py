"""A made brain with structures of known size, and a small untrained network."""

from __future__ import annotations

import numpy as np
import pytest
from RegionalBrainAgeLib.geometry.image import Image


@pytest.fixture(scope="session")
def made_head() -> tuple[Image, Image, Image]:
    """Head, brain mask and MUSE label map, 3 mm, in the place of the template; left and right differ a little.

    Two thalami and two lateral ventricles in an ellipsoid of white matter with a rim of grey, in a skull.
    """
    ras_from_ijk = np.diag([3.0, 3.0, 3.0, 1.0])
    ras_from_ijk[:3, 3] = [-90.0, -126.0, -84.0]
    index = np.stack(np.meshgrid(*(np.arange(n) for n in (61, 73, 61)), indexing="ij"), axis=-1)
    x, y, z = np.moveaxis(index @ ras_from_ijk[:3, :3] + ras_from_ijk[:3, 3], -1, 0)

    def ellipsoid(centre: tuple[float, float, float], half_axes: tuple[float, float, float]) -> np.ndarray:
        return sum(((v - c) / a) ** 2 for v, c, a in zip((x, y, z), centre, half_axes, strict=True)) < 1

    labels = np.zeros(x.shape, np.uint8)
    brain = ellipsoid((0, -18, 5), (68, 86, 70))
    labels[brain] = np.where(x[brain] < 0, 191, 190)
    white = ellipsoid((0, -18, 5), (60, 78, 62))
    labels[white] = np.where(x[white] < 0, 82, 81)
    labels[ellipsoid((-12, -18, 8), (8, 12, 8))] = 60
    labels[ellipsoid((12, -18, 8), (8, 13, 8))] = 59
    labels[ellipsoid((-14, -10, 26), (6, 30, 7))] = 52
    labels[ellipsoid((14, -10, 26), (6, 28, 7))] = 51
    brightness = np.zeros(256)
    brightness[[190, 191]], brightness[[81, 82]] = 65.0, 100.0
    brightness[[59, 60]], brightness[[51, 52]] = 80.0, 20.0
    values = brightness[labels]
    values[ellipsoid((0, -18, 5), (76, 94, 78)) & ~brain] = 15.0
    noise = np.random.default_rng(3).normal(0, 1.5, x.shape)
    t1 = Image(np.clip(values + noise, 0, None).astype(np.float32), ras_from_ijk)
    return t1, t1.like(brain), t1.like(labels)


@pytest.fixture(scope="session")
def untrained_model():
    """Structure networks with random weights: any property that training must not be needed for holds for them."""
    import torch
    from RegionalBrainAgeLib.structures.half_brain import WINDOWS
    from RegionalBrainAgeLib.structures.model import StructureModel
    from RegionalBrainAgeLib.structures.names import CLASSES
    from RegionalBrainAgeLib.structures.network import StructureNetwork

    torch.manual_seed(5)
    networks = {}
    for window in WINDOWS:
        network = StructureNetwork(len(CLASSES), (8, 8, 8), window.shape)
        torch.nn.init.normal_(network.prior, std=0.5)
        networks[window.name] = network.eval()
    return StructureModel(networks, dict.fromkeys(networks, (8, 8, 8)), {"name": "untrained"})


@pytest.fixture(scope="session")
def made_examples(made_head):
    """The made head and a darker, noisier twin, prepared for training without brain extraction."""
    import torch
    from RegionalBrainAgeLib.structures.names import SIDES
    from RegionalBrainAgeLib.structures.segmentation import network_intensities
    from RegionalBrainAgeLib.structures.training.examples import Example
    from RegionalBrainAgeLib.structures.training.muse_labels import class_of_code

    t1, brain, labels = made_head
    heads = {"one": t1, "two": t1.like((t1.array**0.9 * 1.4).astype(np.float32))}
    return [
        Example(
            name=name,
            t1=torch.from_numpy(network_intensities(head, brain)),
            brain=torch.from_numpy(brain.array.astype(np.float32)),
            labels={side: torch.from_numpy(class_of_code(side)[labels.array]) for side in SIDES},
            native_from_template=np.eye(4),
            reference=labels,
            bias_corrected=head,
            brain_mask=brain,
        )
        for name, head in heads.items()
    ]


@pytest.fixture(scope="session")
def exact_map(made_head):
    """The made head's own labels as certain probabilities."""
    import torch
    from RegionalBrainAgeLib.structures.half_brain import WINDOWS, look_up_nearest, voxel_from_half, voxels_of
    from RegionalBrainAgeLib.structures.names import CLASSES, SIDES
    from RegionalBrainAgeLib.structures.segmentation import StructureMap
    from RegionalBrainAgeLib.structures.training.muse_labels import class_of_code

    labels = made_head[2]
    halves = {}
    for window in WINDOWS:
        for side in SIDES:
            where = voxels_of(window.points_mm, voxel_from_half(labels.ras_from_ijk, np.eye(4), side))
            codes = torch.from_numpy(class_of_code(side)[labels.array])
            classes = look_up_nearest(codes, where, window.shape).numpy()
            halves[window.name, side] = np.eye(len(CLASSES), dtype=np.float32)[classes].transpose(3, 0, 1, 2)
    return StructureMap(halves, np.eye(4))
