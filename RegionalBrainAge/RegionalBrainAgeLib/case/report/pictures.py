"""Draws all pictures of a case."""

from __future__ import annotations

from ...anatomy.regions import RegionScheme
from ..measure_head import Head
from ..result.result import CaseResult
from . import figures
from .reading import withheld
from .scene import Scene, make_scene, views_of


def scene_of(result: CaseResult, scheme: RegionScheme, head: Head) -> Scene:
    """The case on the display grid."""
    parcel_mm = {number: row.thickness_mm for number, row in enumerate(result.parcels, start=1)}
    return make_scene(head.volumes, tuple(region.hemisphere for region in scheme.regions), parcel_mm)


def draw_pictures(result: CaseResult, scene: Scene | None) -> dict[str, bytes]:
    """Pictures by file name; none without a head."""
    if scene is None:
        return {}
    views = views_of(scene)
    lesion = bool(scene.lesion.any())
    this_head, template = figures.registration_jpgs(scene)
    drawn = {
        # Where no age may be read, the first picture shows what was measured instead.
        "map.jpg": figures.map_jpg(scene, views, result) if not withheld(result) else None,
        "load.jpg": figures.load_jpg(scene, views, result) if lesion else None,
        "mask.jpg": figures.brain_mask_jpg(scene),
        "registration.jpg": this_head,
        "template.jpg": template,
        "thickness.jpg": figures.thickness_jpg(scene),
    }
    return {name: content for name, content in drawn.items() if content is not None}
