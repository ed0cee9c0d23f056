"""Draws all pictures of a case, on the head where there is one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ...anatomy.parcels import destrieux_atlas
from ...anatomy.regions import RegionScheme, membership, region_masks
from ...anatomy.template import template_brain
from ...cortex.freesurfer import read_parcel_volume
from ...files.images import read_t1
from ...geometry.image import Image, resample, to_canonical
from ..measure_head import Head
from ..result.result import CaseResult
from ..result.volumes import CaseVolumes, RegionVolume
from . import figures
from .reading import why_withheld
from .scene import Scene, make_scene, views_of

# The brain in a FreeSurfer folder, best first.
FREESURFER_BRAINS = ("mri/brainmask.mgz", "mri/brain.mgz", "mri/norm.mgz")
ON_TEMPLATE = "Drawn on the MNI template, not on this head: the FreeSurfer folder holds no volume of it."


def scene_of(result: CaseResult, scheme: RegionScheme, head: Head | None) -> tuple[Scene, str]:
    """The case on the display grid, and a sentence where it is not this head that is drawn.

    A FreeSurfer folder is drawn from its own volumes; one that holds statistics alone, on the template.
    """
    folder = result.case.freesurfer
    volumes, drawn_on = (head.volumes, "") if head is not None else _without_head(folder, scheme)
    if volumes.parcels is None and folder is not None:
        parcels = read_parcel_volume(folder)
        volumes = replace(volumes, parcels=parcels and resample(to_canonical(parcels), volumes.t1, nearest=True))
    parcel_mm = {number: row.thickness_mm for number, row in enumerate(result.parcels, start=1)}
    return make_scene(volumes, tuple(region.hemisphere for region in scheme.regions), parcel_mm), drawn_on


def draw_pictures(result: CaseResult, scene: Scene, of_this_head: bool = True) -> dict[str, bytes]:
    """Pictures by file name; those that show whether the measurement is sound only where this head is drawn."""
    views = views_of(scene)
    borders = {}
    if of_this_head:
        borders = dict(zip(("registration.jpg", "template.jpg"), figures.registration_jpgs(scene), strict=False))
    drawn = {
        # Where no age may be read, the first picture shows what was measured instead.
        "map.jpg": figures.map_jpg(scene, views, result) if not why_withheld(result) else None,
        "load.jpg": figures.load_jpg(scene, views, result) if scene.lesion.any() else None,
        "mask.jpg": figures.brain_mask_jpg(scene) if of_this_head else None,
        **borders,
        "thickness.jpg": figures.thickness_jpg(scene),
    }
    return {name: content for name, content in drawn.items() if content is not None}


def _without_head(folder: Path | None, scheme: RegionScheme) -> tuple[CaseVolumes, str]:
    """Brain, parcels and regions of a FreeSurfer folder without a whole head, or of the template."""
    brain = parcels = None
    if folder is not None:
        brain = next((folder / name for name in FREESURFER_BRAINS if (folder / name).exists()), None)
        parcels = read_parcel_volume(folder) if brain is not None else None
    if brain is None or parcels is None:
        t1, parcels = template_brain(), destrieux_atlas()
        parcels = resample(parcels, t1, nearest=True)
        masks = [resample(mask, t1, nearest=True) for mask in region_masks(scheme)]
        return _bare(t1, parcels, RegionVolume.combine(masks)), ON_TEMPLATE
    t1 = to_canonical(read_t1(brain)[0])
    parcels = resample(to_canonical(parcels), t1, nearest=True)
    # Nothing was registered: each parcel is drawn as the region that holds most of it.
    weights = membership(scheme)
    region = np.concatenate([[-1], np.where(weights.any(axis=0), weights.argmax(axis=0), -1)])[parcels.array]
    masks = [parcels.like(region == number) for number in range(len(scheme.regions))]
    return _bare(t1, parcels, RegionVolume.combine(masks)), ""


def _bare(t1: Image, parcels: Image, regions: RegionVolume) -> CaseVolumes:
    nothing = t1.like(np.zeros(t1.shape, bool))
    return CaseVolumes(t1, t1.like(t1.array > 0), nothing, regions, parcels, None, None)
