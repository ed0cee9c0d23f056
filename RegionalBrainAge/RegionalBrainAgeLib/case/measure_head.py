"""From a head's files to its anatomy: what is measured before any age is estimated.

All volumes are worked on in canonical voxel order (right, anterior, superior), so every storage order of a head gives
the same numbers; `write_case` takes results back to the file's own order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..anatomy.atlases import load_atlas
from ..anatomy.parcels import ParcelFeatures, measure_parcels
from ..anatomy.regions import RegionScheme, region_masks
from ..anatomy.template import template_brain
from ..cortex.parcel_labels import individual_parcels
from ..cortex.thickness import cortical_thickness
from ..cortex.tissue import segment_tissue
from ..errors import InputError
from ..files.images import read_mask, read_t1
from ..geometry.image import Image, to_canonical
from ..head.brain_mask import extract_brain
from ..head.contrast import contrast_warnings
from ..head.lesion_filling import fill_lesion
from ..head.registration import Registration, register
from ..head.shading import correct_bias
from ..lesion.measures import check_lesion
from ..structures.model import load_model as load_structure_model
from ..structures.on_head import aseg_labels
from ..structures.plausibility import StructureQuality, structure_quality
from ..structures.segmentation import segment_structures
from ..structures.volumes import StructureVolumes, measure_volumes
from .case import Case
from .result.volumes import CaseVolumes, RegionVolume
from .steps import Steps

# Whole-head volumes of a FreeSurfer folder, best first.
FREESURFER_HEADS = ("mri/orig.mgz", "mri/rawavg.mgz", "mri/T1.mgz")


@dataclass(frozen=True)
class Scan:
    """A head as read: images in canonical order, the file's own grid, and warnings for the user."""

    t1: Image
    lesion: Image | None
    file_grid: Image
    lesion_name: str
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Head:
    """A head with its anatomy.

    Parameters
    ----------
    volumes : everything that can be looked at.
    registration : to MNI and back.
    features : thickness per parcel; None when FreeSurfer measures it instead.
    structures : volumes of ventricles, deep grey matter and the rest; None when FreeSurfer measures them instead.
    structure_quality : how well they fit the image; None as above.
    warnings : sentences for the user.
    not_t1 : sentences that say why the image's contrast is not that of T1; none where it is.
    """

    volumes: CaseVolumes
    registration: Registration
    features: ParcelFeatures | None
    structures: StructureVolumes | None
    warnings: tuple[str, ...]
    not_t1: tuple[str, ...] = ()
    structure_quality: StructureQuality | None = None

    @property
    def lesion(self) -> Image | None:
        """The lesion mask, None without a lesion."""
        return self.volumes.lesion if self.volumes.lesion.array.any() else None


def t1_path(case: Case) -> Path | None:
    """The head to read: the T1 given, or the whole head kept in the FreeSurfer folder."""
    if case.t1 is not None or case.freesurfer is None:
        return case.t1
    return next((path for name in FREESURFER_HEADS if (path := case.freesurfer / name).exists()), None)


def read_scan(case: Case) -> Scan | None:
    """Reads the head and the lesion; None where there is only a FreeSurfer folder without a whole head.

    Raises
    ------
    InputError : a file is not usable, or there is a lesion but no head to place it on.
    """
    path = t1_path(case)
    if path is None:
        if case.lesion is not None:
            raise InputError(
                f"The folder {case.freesurfer} holds no whole head ({', '.join(FREESURFER_HEADS)}), "
                "so the lesion cannot be placed.",
                "Give the head with --t1 as well.",
            )
        return None
    t1, warnings = read_t1(path)
    lesion = None
    if case.lesion is not None:
        lesion, more = read_mask(case.lesion, t1)
        warnings = [*warnings, *more]
    grid = t1.like(np.broadcast_to(np.uint8(0), t1.shape))
    return Scan(
        to_canonical(t1),
        to_canonical(lesion) if lesion is not None else None,
        grid,
        f"The lesion mask {case.lesion}",
        tuple(warnings),
    )


def measure_head(scan: Scan, scheme: RegionScheme, steps: Steps, threads: int, surfaces: bool) -> Head:
    """Brain mask, shading, registration, regions and - unless `surfaces` come from FreeSurfer - volumes and thickness.

    Raises
    ------
    InputError : the lesion does not belong to this head.
    CaseError : no brain was found, or it could not be registered.
    """
    lesion = scan.lesion
    with steps.step("brain mask"):
        brain = extract_brain(scan.t1, threads)
        warnings = list(scan.warnings)
        if lesion is not None:
            warnings += check_lesion(lesion, brain, scan.lesion_name)
    with steps.step("bias field"):
        t1 = correct_bias(scan.t1, brain, lesion)
    with steps.step("registration"):
        registration = register(t1, brain, lesion, threads)
        regions = RegionVolume.combine(region_masks(scheme))
        regions = regions.with_codes(registration.to_native(regions.codes))
        template = registration.to_native(template_brain(), nearest=False)
        not_t1 = tuple(contrast_warnings(t1, registration, lesion))
    volumes = CaseVolumes(
        t1=t1,
        brain=brain,
        lesion=lesion if lesion is not None else brain.like(np.zeros(brain.shape, bool)),
        regions=regions,
        parcels=None,
        thickness=None,
        template_on_t1=template,
    )
    if surfaces:
        return Head(volumes, registration, None, None, tuple(warnings), not_t1)
    with steps.step("structures"):
        model = load_structure_model()
        found = segment_structures(t1, brain, lesion, registration.native_from_template, model, threads)
        structures = measure_volumes(found, lesion, model.gray_line)
        fit = structure_quality(found, structures, t1, brain, lesion)
        volumes = replace(volumes, structures=aseg_labels(found, brain, threads))
    with steps.step("tissue"):
        atlas = registration.to_native(load_atlas("destrieux").labels)
        # A lesion has no surfaces of its own; healed from the other side it leaves those around it undisturbed.
        whole = t1 if lesion is None else fill_lesion(t1, brain, lesion, registration.native_from_template)
        tissue = segment_tissue(whole, brain, lesion, atlas, threads)
    with steps.step("thickness"):
        cortex = cortical_thickness(tissue, lesion, threads)
        thickness = cortex.thickness_mm
    with steps.step("parcels"):
        ribbon = thickness.like(np.isfinite(thickness.array))
        parcels = individual_parcels(registration, tissue, ribbon, lesion, threads)
        features = measure_parcels(thickness, parcels, lesion, cortex.area_mm2)
    volumes = replace(volumes, parcels=parcels, thickness=thickness)
    return Head(volumes, registration, features, structures, tuple(warnings), not_t1, fit)
