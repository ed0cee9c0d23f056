"""Synthetic lesions, for the demonstration and for tests that need to know the truth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage

from ..anatomy.atlases import load_atlas
from ..anatomy.template import template_brain
from ..errors import InputError
from ..geometry.image import Image, bounding_box, resample

# Nothing grows nearer to the mid-sagittal plane than this.
MIDLINE_CLEARANCE_MM = 3.0
# Growing outside its territory costs a lesion this many times its distance.
OUTSIDE_COST = 2.0
RIM_MM = 3.0
# Strokes of these arteries spare the cerebellum and brain stem; the ventricles hold no tissue.
_SPARED = ("Cerebellum-White-Matter", "Cerebellum-Cortex", "Lateral-Ventricle", "Inf-Lat-Vent", "VentralDC")


@dataclass(frozen=True)
class Territory:
    """Where an artery's lesions begin and stay: a box of MNI space, `lateral` being the distance from the midline.

    Parameters
    ----------
    name : what a report calls it.
    seed_mm, spread_mm : mean and standard deviation of the place a lesion starts at (lateral, anterior, superior).
    low_mm, high_mm : corners of the box.
    """

    name: str
    seed_mm: tuple[float, float, float]
    spread_mm: tuple[float, float, float]
    low_mm: tuple[float, float, float]
    high_mm: tuple[float, float, float]


TERRITORIES = {
    "MCA": Territory("middle cerebral artery", (40, -8, 20), (6, 14, 12), (18, -65, -25), (80, 50, 62)),
    "ACA": Territory("anterior cerebral artery", (9, 25, 40), (2, 18, 12), (0, -45, -20), (20, 75, 80)),
    "PCA": Territory("posterior cerebral artery", (16, -75, 2), (5, 10, 6), (0, -110, -22), (45, -25, 25)),
    "lacunar": Territory("lenticulostriate arteries", (21, -8, 10), (3, 6, 5), (10, -25, -5), (32, 20, 26)),
}


def simulate_lesion(volume_ml: float, side: str = "L", territory: str = "MCA", seed: int = 0) -> Image:
    """An irregular, connected lesion grown in an arterial territory of the template brain.

    It starts at a place drawn within the territory and takes up the voxels that are cheapest to reach: distance from
    the start, made uneven by smooth noise (so the border is irregular) and dear outside the territory. It stays in the
    brain, on its side, and out of ventricles, cerebellum and brain stem. The same arguments always give the same
    lesion.

    Parameters
    ----------
    volume_ml : volume in template space; met within one voxel (1 mm3).
    side : ``"L"`` or ``"R"``.
    territory : a key of `TERRITORIES`: MCA, ACA, PCA or lacunar.
    seed : of the random numbers.

    Returns
    -------
    Image, boolean, on the grid of `template_brain` (MNI 2009c). Bring it into a head with
    ``registration.to_native(lesion)``.

    Raises
    ------
    InputError : unknown side or territory, or more volume than one hemisphere holds.
    """
    if side not in ("L", "R"):
        raise InputError(f"There is no side '{side}'.", "Use L or R.")
    if territory not in TERRITORIES:
        raise InputError(f"There is no arterial territory '{territory}'.", f"Use one of {', '.join(TERRITORIES)}.")
    area = TERRITORIES[territory]
    brain = template_brain()
    whole, coordinates = _one_hemisphere(side)
    box = bounding_box(whole, np.zeros(3, dtype=int))
    allowed = whole[box]
    coordinates = tuple(
        c[tuple(part if c.shape[n] > 1 else slice(None) for n, part in enumerate(box))] for c in coordinates
    )
    wanted = round(volume_ml / brain.voxel_volume_ml)
    if not 0 < wanted <= np.count_nonzero(allowed) // 2:
        raise InputError(
            f"A simulated lesion of {volume_ml:g} ml is not possible.", "Ask for more than 0 and less than 250 ml."
        )
    random = np.random.default_rng(seed)
    start_mm = _start(random, area, allowed, coordinates)
    cost = _cost_of_reaching(random, area, start_mm, coordinates, allowed.shape)
    cost[~allowed] = np.inf
    start = _nearest_voxel(start_mm, allowed, coordinates)
    lesion = np.zeros(brain.shape, dtype=bool)
    lesion[box] = _cheapest_connected(cost, start, wanted)
    return brain.like(lesion)


def paint_lesion(t1: Image, lesion: Image, brain: Image, seed: int = 0) -> Image:
    """The head as it might look years after the stroke: a fluid-filled core with a gliotic rim.

    The core has the intensity of the darkest part of the brain mask (cerebrospinal fluid); over the outer 3 mm the
    intensity rises to dark grey matter, and the seam is smooth over about 1 mm. The noise of the image's own white
    matter is added, so that the lesion is not betrayed by its evenness.

    Parameters
    ----------
    t1 : the head.
    lesion, brain : boolean, same grid.

    Returns
    -------
    Image, float32. Voxels farther than 3 mm from the lesion are unchanged.
    """
    head = t1.array.astype(np.float32)
    mask = np.asarray(lesion.array, dtype=bool)
    if not mask.any():
        return t1.like(head)
    spacing = t1.spacing_mm
    inside_brain = head[ndimage.binary_erosion(np.asarray(brain.array, dtype=bool), iterations=2)]
    fluid, grey, white = np.percentile(inside_brain, (1.0, 35.0, 80.0))
    box = bounding_box(mask, np.ceil(RIM_MM / spacing).astype(int))
    depth_mm = ndimage.distance_transform_edt(np.pad(mask[box], 1), sampling=spacing)[1:-1, 1:-1, 1:-1]
    rim = fluid + 0.7 * (grey - fluid)
    painted = fluid + (rim - fluid) * np.exp(-((depth_mm / 2.0) ** 2))
    random = np.random.default_rng(seed)
    texture = ndimage.gaussian_filter(random.normal(size=depth_mm.shape), 2.0 / spacing)
    painted += 0.05 * (white - fluid) * texture / max(float(texture.std()), 1e-6)
    painted += random.normal(0.0, _noise_of(head, white), depth_mm.shape)
    blend = ndimage.gaussian_filter(mask[box].astype(np.float32), 0.5 / spacing)
    blend[blend < 0.02] = 0.0
    painted_head = head.copy()
    painted_head[box] = blend * np.maximum(painted, 0.0) + (1.0 - blend) * head[box]
    return t1.like(painted_head)


@lru_cache(maxsize=2)
def _one_hemisphere(side: str) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Voxels a lesion may take, and broadcastable coordinates (mm) of the axis-aligned grid: lateral, y and z."""
    brain = template_brain()
    axes = np.ogrid[tuple(slice(size) for size in brain.shape)]
    ras = [brain.ras_from_ijk[n, n] * axes[n] + brain.ras_from_ijk[n, 3] for n in range(3)]
    lateral = -ras[0] if side == "L" else ras[0]
    atlas = load_atlas("destrieux")
    structures = resample(atlas.labels, brain, nearest=True).array
    spared = [atlas.codes[f"{hemisphere}-{name}"] for hemisphere in ("Left", "Right") for name in _SPARED]
    spared += [atlas.codes[name] for name in ("Brain-Stem", "3rd-Ventricle", "4th-Ventricle")]
    allowed = (brain.array > 0) & (lateral > MIDLINE_CLEARANCE_MM) & ~np.isin(structures, spared)
    return allowed, (lateral, ras[1], ras[2])


def _start(random, area: Territory, allowed: np.ndarray, coordinates: tuple[np.ndarray, ...]) -> np.ndarray:
    """A place in the territory's box, drawn around its usual starting point."""
    low, high = np.array(area.low_mm), np.array(area.high_mm)
    place = np.clip(random.normal(area.seed_mm, area.spread_mm), low + 2, high - 2)
    return np.array(
        [c.ravel()[i] for c, i in zip(coordinates, _nearest_voxel(place, allowed, coordinates), strict=True)]
    )


def _nearest_voxel(place_mm, allowed: np.ndarray, coordinates: tuple[np.ndarray, ...]) -> tuple[int, ...]:
    distance = sum((c - p) ** 2 for c, p in zip(coordinates, place_mm, strict=True))
    nearest = np.unravel_index(np.argmin(np.where(allowed, distance, np.inf)), allowed.shape)
    return tuple(int(index) for index in nearest)


def _cost_of_reaching(random, area: Territory, start_mm, coordinates, shape) -> np.ndarray:
    """Distance from the start (mm), stretched by smooth noise and outside the territory."""
    outside = sum(
        np.maximum(np.maximum(low - c, c - high), 0.0) ** 2
        for c, low, high in zip(coordinates, area.low_mm, area.high_mm, strict=True)
    )
    distance = np.sqrt(sum((c - p) ** 2 for c, p in zip(coordinates, start_mm, strict=True)))
    cost = distance + OUTSIDE_COST * np.sqrt(outside)
    for sigma_mm, strength in ((16.0, 0.30), (6.0, 0.08)):
        field = _smooth_field(random, shape, sigma_mm)
        cost = cost * np.exp(strength * field / field.std())
    return cost


def _smooth_field(random, shape: tuple[int, int, int], grain: float) -> np.ndarray:
    """Cubic interpolation of random numbers given every `grain` voxels."""
    field = random.normal(size=[int(np.ceil(size / grain)) + 2 for size in shape])
    for axis, size in enumerate(shape):
        coarse = field.shape[axis]
        weights = ndimage.zoom(np.eye(coarse), (size / coarse, 1.0), order=3)
        field = np.moveaxis(np.tensordot(weights, field, axes=(1, axis)), 0, axis)
    return field


def _cheapest_connected(cost: np.ndarray, start: tuple[int, ...], wanted: int) -> np.ndarray:
    """The connected set of `wanted` voxels around `start` with the lowest cost."""
    cost[start] = 0.0
    finite = np.sort(cost[np.isfinite(cost)])
    # `wanted` voxels cannot be connected below the wanted-th lowest cost; all of them are below the highest.
    low, high = wanted - 2, min(2 * wanted, len(finite) - 1)
    while np.count_nonzero(_component(cost <= finite[high], start)) < wanted and high < len(finite) - 1:
        low, high = high, min(2 * high, len(finite) - 1)
    while high - low > 1:
        middle = (low + high) // 2
        if np.count_nonzero(_component(cost <= finite[middle], start)) >= wanted:
            high = middle
        else:
            low = middle
    region = _component(cost <= finite[high], start)
    surplus = np.count_nonzero(region) - wanted
    if surplus > 0:
        kept = _component(cost < finite[high], start)
        added = np.flatnonzero((region & ~kept).ravel())
        region.ravel()[added[np.argsort(cost.ravel()[added], kind="stable")[len(added) - surplus :]]] = False
    return region


def _component(mask: np.ndarray, start: tuple[int, ...]) -> np.ndarray:
    labels, _ = ndimage.label(mask)
    return labels == labels[start]


def _noise_of(head: np.ndarray, white: float) -> float:
    """Standard deviation of the voxel noise, from second differences in white matter (robust to slow shading)."""
    bright = np.abs(head - white) < 0.1 * abs(white)
    triple = bright[:-2] & bright[1:-1] & bright[2:]
    second = head[:-2] - 2 * head[1:-1] + head[2:]
    if np.count_nonzero(triple) < 100:
        return 0.0
    values = second[triple]
    return float(np.median(np.abs(values - np.median(values))) * 1.4826 / np.sqrt(6.0))
