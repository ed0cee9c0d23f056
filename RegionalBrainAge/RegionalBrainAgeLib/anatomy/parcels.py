"""The 148 cortical parcels of Destrieux: the nodes of the brain graph."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.spatial import cKDTree

from ..geometry.coordinates import coordinates_mm
from ..geometry.distances import within_mm
from ..geometry.image import Image, same_grid
from .atlases import load_atlas

# Destrieux, Fischl, Dale & Halgren 2010, in the order of FreeSurfer's aparc.a2009s; "Medial_wall" (42) is no cortex.
_GYRI_AND_SULCI = (
    "G_and_S_frontomargin",
    "G_and_S_occipital_inf",
    "G_and_S_paracentral",
    "G_and_S_subcentral",
    "G_and_S_transv_frontopol",
    "G_and_S_cingul-Ant",
    "G_and_S_cingul-Mid-Ant",
    "G_and_S_cingul-Mid-Post",
    "G_cingul-Post-dorsal",
    "G_cingul-Post-ventral",
    "G_cuneus",
    "G_front_inf-Opercular",
    "G_front_inf-Orbital",
    "G_front_inf-Triangul",
    "G_front_middle",
    "G_front_sup",
    "G_Ins_lg_and_S_cent_ins",
    "G_insular_short",
    "G_occipital_middle",
    "G_occipital_sup",
    "G_oc-temp_lat-fusifor",
    "G_oc-temp_med-Lingual",
    "G_oc-temp_med-Parahip",
    "G_orbital",
    "G_pariet_inf-Angular",
    "G_pariet_inf-Supramar",
    "G_parietal_sup",
    "G_postcentral",
    "G_precentral",
    "G_precuneus",
    "G_rectus",
    "G_subcallosal",
    "G_temp_sup-G_T_transv",
    "G_temp_sup-Lateral",
    "G_temp_sup-Plan_polar",
    "G_temp_sup-Plan_tempo",
    "G_temporal_inf",
    "G_temporal_middle",
    "Lat_Fis-ant-Horizont",
    "Lat_Fis-ant-Vertical",
    "Lat_Fis-post",
    "Pole_occipital",
    "Pole_temporal",
    "S_calcarine",
    "S_central",
    "S_cingul-Marginalis",
    "S_circular_insula_ant",
    "S_circular_insula_inf",
    "S_circular_insula_sup",
    "S_collat_transv_ant",
    "S_collat_transv_post",
    "S_front_inf",
    "S_front_middle",
    "S_front_sup",
    "S_interm_prim-Jensen",
    "S_intrapariet_and_P_trans",
    "S_oc_middle_and_Lunatus",
    "S_oc_sup_and_transversal",
    "S_occipital_ant",
    "S_oc-temp_lat",
    "S_oc-temp_med_and_Lingual",
    "S_orbital_lateral",
    "S_orbital_med-olfact",
    "S_orbital-H_Shaped",
    "S_parieto_occipital",
    "S_pericallosal",
    "S_postcentral",
    "S_precentral-inf-part",
    "S_precentral-sup-part",
    "S_suborbital",
    "S_subparietal",
    "S_temporal_inf",
    "S_temporal_sup",
    "S_temporal_transverse",
)
PARCEL_NAMES: tuple[str, ...] = tuple(f"{side}_{name}" for side in ("lh", "rh") for name in _GYRI_AND_SULCI)
PARCELS_PER_HEMISPHERE = len(_GYRI_AND_SULCI)
NOT_CORTEX = len(PARCEL_NAMES) + 1
# Grey matter that is no neocortex, and the medial wall: a ribbon voxel there must not be given to the nearest gyrus.
_NOT_CORTEX_NAMES = (
    *(f"ctx_{side}_Unknown" for side in ("lh", "rh")),
    *(
        f"{side}-{structure}"
        for side in ("Left", "Right")
        for structure in (
            "Cerebellum-White-Matter",
            "Cerebellum-Cortex",
            "Thalamus-Proper",
            "Caudate",
            "Putamen",
            "Pallidum",
            "Hippocampus",
            "Amygdala",
            "Accumbens-area",
            "VentralDC",
        )
    ),
    "Brain-Stem",
    "Optic-Chiasm",
)

# Farther than this from every label, a ribbon voxel belongs to no parcel.
MAXIMUM_PROPAGATION_MM = 10.0
# Nearer than this to the mid-sagittal plane the nearest label decides the hemisphere (the fissure bends); beyond it,
# the plane does.
MIDLINE_MARGIN_MM = 5.0
# Voxels this near to the lesion are not measured: oedema, gliosis and partial volume make their boundaries unreliable.
LESION_MARGIN_MM = 3.0
# A parcel with less than this left is missing.
MINIMUM_MEASURED_FRACTION = 0.5
MINIMUM_MEASURED_MM3 = 30.0
TRIMMED_FRACTION = 0.05


@dataclass(frozen=True)
class ParcelFeatures:
    """What is known of each parcel of one person.

    Parameters
    ----------
    names : parcel names, `PARCEL_NAMES`.
    thickness_mm : float64, shape (148,). Mean cortical thickness; NaN = missing (never a guess).
    lesioned_fraction : float64, shape (148,). Share of the parcel's voxels that are lesioned, 0..1.
    voxels : int, shape (148,). Voxels (or surface vertices) the thickness was measured on.
    """

    names: tuple[str, ...]
    thickness_mm: np.ndarray
    lesioned_fraction: np.ndarray
    voxels: np.ndarray


@lru_cache(maxsize=1)
def destrieux_atlas() -> Image:
    """Parcel volume in MNI (2009c) space, 1 mm, int16: index in `PARCEL_NAMES` plus one, 0 where there is no cortex.

    Labels 1..74 are left, 75..148 right. Medial wall, white matter and deep nuclei are 0.
    """
    atlas = load_atlas("destrieux")
    label_of_code = np.zeros(int(atlas.labels.array.max()) + 1, dtype=np.int16)
    for label, name in enumerate(PARCEL_NAMES, start=1):
        label_of_code[atlas.codes[f"ctx_{name}"]] = label
    array = label_of_code[atlas.labels.array]
    array.flags.writeable = False
    return Image(array, atlas.labels.ras_from_ijk)


@lru_cache(maxsize=1)
def propagation_atlas() -> Image:
    """`destrieux_atlas` with deep nuclei, cerebellum, brain stem and medial wall as the extra label `NOT_CORTEX`.

    Warped to a head, this is what `parcels_in_ribbon` should be given: the extra label stops cortical labels from
    growing into grey matter that is not cortex.
    """
    atlas = load_atlas("destrieux")
    not_cortex = np.isin(atlas.labels.array, [atlas.codes[name] for name in _NOT_CORTEX_NAMES])
    array = np.where(not_cortex, np.int16(NOT_CORTEX), destrieux_atlas().array)
    array.flags.writeable = False
    return Image(array, atlas.labels.ras_from_ijk)


def parcels_in_ribbon(atlas_native: Image, ribbon: Image, lesion: Image | None = None) -> Image:
    """Gives every voxel of the cortical ribbon the nearest parcel label of its own hemisphere.

    Parameters
    ----------
    atlas_native : `propagation_atlas` (or `destrieux_atlas`) warped to the head, nearest neighbour.
    ribbon : boolean, same grid: the cortex.
    lesion : boolean, same grid. Inside it there may be no ribbon left: the warped labels themselves are kept, so that
        a parcel destroyed altogether is still known to have been there.

    Returns
    -------
    Image, int16: 0 outside the ribbon (and lesion), else index in `PARCEL_NAMES` plus one. Voxels nearest to
    `NOT_CORTEX`, or farther than 10 mm from any label, are 0. A label of the other hemisphere is never taken more than
    5 mm beyond the mid-sagittal plane, which is found from the labels themselves, so oblique heads are treated alike.
    """
    if not same_grid(atlas_native, ribbon) or (lesion is not None and not same_grid(lesion, ribbon)):
        raise ValueError("the atlas, ribbon and lesion must lie on one grid")
    atlas = atlas_native.array
    wanted = np.asarray(ribbon.array, dtype=bool)
    result = np.zeros(ribbon.shape, dtype=np.int16)
    label_ijk = np.argwhere(atlas > 0)
    if len(label_ijk) == 0 or not wanted.any():
        return ribbon.like(result)
    labels = atlas[tuple(label_ijk.T)].astype(np.int16)
    label_mm = coordinates_mm(atlas_native, label_ijk)
    target_ijk = np.argwhere(wanted)
    target_mm = coordinates_mm(ribbon, target_ijk)
    found = atlas[tuple(target_ijk.T)].astype(np.int16)
    right_of_midline_mm = _distance_to_midline_mm(label_mm, labels, target_mm)
    for side, beyond in (
        (_side_of(labels) != 2, right_of_midline_mm < -MIDLINE_MARGIN_MM),
        (np.ones(len(labels), dtype=bool), np.abs(right_of_midline_mm) <= MIDLINE_MARGIN_MM),
        (_side_of(labels) != 1, right_of_midline_mm > MIDLINE_MARGIN_MM),
    ):
        allowed = np.unique(labels[side])
        open_voxels = np.flatnonzero(beyond & ~np.isin(found, allowed))
        if len(open_voxels) == 0:
            continue
        if not side.any():
            found[open_voxels] = 0
            continue
        distance, nearest = cKDTree(label_mm[side]).query(
            target_mm[open_voxels], distance_upper_bound=MAXIMUM_PROPAGATION_MM
        )
        reached = np.isfinite(distance)
        found[open_voxels] = 0
        found[open_voxels[reached]] = labels[side][nearest[reached]]
    found[found == NOT_CORTEX] = 0
    result[tuple(target_ijk.T)] = found
    if lesion is not None:
        lost = np.asarray(lesion.array, dtype=bool) & (result == 0) & (atlas > 0) & (atlas != NOT_CORTEX)
        result[lost] = atlas[lost]
    return ribbon.like(result)


def measure_parcels(
    thickness: Image, parcels: Image, lesion: Image | None, area: Image | None = None
) -> ParcelFeatures:
    """Mean thickness of each parcel, away from the lesion.

    Parameters
    ----------
    thickness : float, mm; NaN where there is no cortex.
    parcels : from `cortex.parcel_labels.individual_parcels`, same grid.
    lesion : boolean, same grid, or None.
    area : float, same grid; how much of the cortical surface (mm2) each voxel stands for. None: judged from thickness.

    Returns
    -------
    ParcelFeatures. Lesioned voxels and those within 3 mm of the lesion are never measured. A parcel of which less than
    half (or less than 30 mm3) can be measured is NaN. The mean is taken over the cortical *surface*: each voxel weighs
    its area. Where that is not given, a column of cortex of thickness t holds t voxels per unit of area, so each voxel
    weighs 1/t (the harmonic mean), after the thinnest and thickest 5 % of the parcel's voxels are set aside.
    """
    if not all(other is None or same_grid(thickness, other) for other in (parcels, lesion, area)):
        raise ValueError("thickness, parcels, lesion and area must lie on one grid")
    count = len(PARCEL_NAMES)
    voxel_mm3 = parcels.voxel_volume_ml * 1000.0
    in_parcel = np.flatnonzero(parcels.array.ravel() > 0)
    label = parcels.array.ravel()[in_parcel].astype(int) - 1
    value_mm = thickness.array.ravel()[in_parcel].astype(float)
    if lesion is None:
        lesioned = spoiled = np.zeros(len(in_parcel), dtype=bool)
    else:
        lesioned = np.asarray(lesion.array, dtype=bool).ravel()[in_parcel]
        spoiled = within_mm(lesion, LESION_MARGIN_MM).ravel()[in_parcel]
    usable = ~spoiled & np.isfinite(value_mm) & (value_mm > 0)
    total = np.bincount(label, minlength=count)
    damaged = np.bincount(label[lesioned], minlength=count)
    measured = np.bincount(label[usable], minlength=count)
    enough = (measured >= MINIMUM_MEASURED_FRACTION * total) & (measured * voxel_mm3 >= MINIMUM_MEASURED_MM3)
    if area is None:
        order = np.argsort(label[usable], kind="stable")
        groups = np.split(value_mm[usable][order], np.cumsum(measured)[:-1])
        means = np.array([mean_over_surface_mm(v) if e else np.nan for v, e in zip(groups, enough, strict=True)])
    else:
        weight = area.array.ravel()[in_parcel][usable]
        whole = np.bincount(label[usable], weight, count)
        means = np.bincount(label[usable], weight * value_mm[usable], count) / np.where(whole > 0, whole, np.nan)
    thickness_mm = np.where(enough, means, np.nan)
    lesioned_fraction = np.divide(damaged, total, out=np.zeros(count), where=total > 0)
    return ParcelFeatures(PARCEL_NAMES, thickness_mm, lesioned_fraction, measured)


def mean_over_surface_mm(thickness_mm: np.ndarray) -> float:
    """Trimmed harmonic mean of voxelwise thickness (mm), shape (N,): the mean over area rather than over volume."""
    values = np.sort(thickness_mm)
    cut = int(TRIMMED_FRACTION * len(values))
    values = values[cut : len(values) - cut]
    return float(len(values) / np.sum(1.0 / values))


def _side_of(labels: np.ndarray) -> np.ndarray:
    """1 for left parcels, 2 for right ones, 0 for `NOT_CORTEX`."""
    return np.select([labels == NOT_CORTEX, labels <= PARCELS_PER_HEMISPHERE], [0, 1], 2)


def _distance_to_midline_mm(label_mm: np.ndarray, labels: np.ndarray, points_mm: np.ndarray) -> np.ndarray:
    """Signed distance (mm, positive = right) of points from the plane that best separates left and right labels.

    Fisher's discriminant of the two clouds: the hemispheres mirror each other, so it is the mid-sagittal plane.
    """
    side = _side_of(labels)
    left, right = label_mm[side == 1], label_mm[side == 2]
    if len(left) < 4 or len(right) < 4:
        return np.zeros(len(points_mm))
    scatter = np.cov(left.T) + np.cov(right.T) + np.eye(3)  # a voxel's own extent: labels may lie in one slice
    normal = np.linalg.solve(scatter, right.mean(axis=0) - left.mean(axis=0))
    normal /= np.linalg.norm(normal)
    return (points_mm - (left.mean(axis=0) + right.mean(axis=0)) / 2.0) @ normal
