"""Writes a case's files (BIDS-derivatives style) into a hidden folder, which is renamed when it is complete."""

from __future__ import annotations

import errno
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from ...anatomy.parcels import PARCEL_NAMES
from ...anatomy.regions import RegionScheme
from ...files.images import write_image
from ...files.tables import write_table
from ...geometry.image import Image, from_canonical
from ...head.registration import Registration
from ...structures.names import ASEG_CODES
from ..case import FILE_FIELDS, Case
from ..measure_head import Head, Scan
from ..provenance import peak_memory_mb
from ..report.answer import answer
from ..report.page import report_html
from ..report.pdf import report_pdf
from ..report.pictures import draw_pictures, scene_of
from ..report.viewer import viewer_html
from ..steps import Steps
from .dicom_objects import FOLDER as DICOM_FOLDER
from .dicom_objects import write_dicom
from .dicom_source import DicomSource
from .methods import write_methods
from .result import CaseResult
from .tables import PARCEL_COLUMNS, REGION_COLUMNS, STRUCTURE_COLUMNS

# BIDS's words for what a mask masks.
MASK_TYPES = {"desc-brain_mask": "Brain", "desc-lesion_mask": "Lesion"}
VOLUME_MEANINGS = {
    "desc-brain_mask": "1 in the brain.",
    "desc-lesion_mask": "1 in the lesion, resampled to the T1's grid.",
    "desc-regions_dseg": (
        "Number of the region (table beside this file). Regions may overlap: a voxel shows the first region of the "
        "scheme that holds it, while loads and volumes use every region's full extent."
    ),
    "desc-parcels_dseg": "Number of the cortical parcel (table beside this file).",
    "desc-structures_dseg": "FreeSurfer's aseg code of the structure (table beside this file).",
    "desc-thickness_map": "Cortical thickness (mm), NaN outside the cortex.",
    "desc-pad_map": (
        "Corrected predicted age difference (years) of the region in desc-regions_dseg, NaN outside regions and "
        "where a region is not estimable."
    ),
}


def write_case(
    folder: Path,
    final: Path,
    result: CaseResult,
    scheme: RegionScheme,
    head: Head | None,
    scan: Scan | None,
    steps: Steps,
    *,
    interactive: bool = True,
    keep_paths: bool = False,
    dicom: DicomSource | None = None,
) -> CaseResult:
    """Writes tables, volumes, transforms, pictures, report and, last, the JSON summary.

    Parameters
    ----------
    folder : where to write now. final : where the folder will appear, for what is said in the files.
    interactive : whether the report holds the viewer.
    keep_paths : whether full paths of the inputs are written; otherwise the names of the files.
    dicom : the series to file DICOM results with; none are written if None.

    Returns
    -------
    CaseResult with `final` as its folder and the seconds of every step; report and DICOM are made after them.
    """
    stem = result.case.name
    with steps.step("pictures"):
        scene, drawn_on = scene_of(result, scheme, head)
        pictures = draw_pictures(result, scene, of_this_head=not drawn_on)
        viewer = viewer_html(scene, result) if interactive and not drawn_on else ""
        result = result if keep_paths else _without_folders(result)
    with steps.step("write"):
        figures = folder / "figures"
        figures.mkdir()
        for name, content in pictures.items():
            (figures / f"{stem}_{name}").write_bytes(content)
        write_table(folder / f"{stem}_regions.tsv", map(asdict, result.regions), REGION_COLUMNS)
        write_table(folder / f"{stem}_parcels.tsv", map(asdict, result.parcels), PARCEL_COLUMNS)
        if result.structures:
            write_table(folder / f"{stem}_structures.tsv", map(asdict, result.structures), STRUCTURE_COLUMNS)
        if head is not None and scan is not None:
            _write_volumes(folder, stem, result, scheme, head, scan)
            _write_transforms(folder, stem, replace(head.registration, t1_grid=scan.file_grid))
    provenance = {
        **result.provenance,
        "peak_memory_mb": peak_memory_mb(),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    result = replace(result, folder=final, seconds=dict(steps.seconds), provenance=provenance)
    write_methods(result, folder)
    (folder / f"{stem}_report.html").write_text(report_html(result, pictures, viewer, drawn_on), encoding="utf-8")
    if dicom is not None and head is not None and scan is not None:
        pdf = report_pdf(report_html(result, pictures, "", drawn_on))
        write_dicom(folder / DICOM_FOLDER, result, head, scan, dicom, pdf)
    (folder / f"{stem}_case.json").write_text(json.dumps(case_summary(result), indent=2) + "\n", encoding="utf-8")
    return result


def _without_folders(result: CaseResult) -> CaseResult:
    """The result with the names of its input files in the place of their paths, in its facts and in its sentences."""
    paths = {name: path for name in FILE_FIELDS if (path := getattr(result.case, name)) is not None}

    def named(text: str) -> str:
        for path in paths.values():
            text = text.replace(str(path), path.name) if path.name else text
        return text

    inputs = result.provenance["inputs"]
    inputs = {name: {**item, "path": Path(str(item["path"])).name} for name, item in inputs.items()}
    return replace(
        result,
        case=Case(**{**vars(result.case), **{name: Path(path.name) for name, path in paths.items()}}),
        warnings=tuple(map(named, result.warnings)),
        provenance={**result.provenance, "inputs": inputs},
    )


def case_summary(result: CaseResult) -> dict:
    """The content of ``case.json``: the answer in words, then everything it was generated from."""
    return {"answer": answer(result), **result.as_dict()}


def _write_volumes(folder: Path, stem: str, result: CaseResult, scheme: RegionScheme, head: Head, scan: Scan) -> None:
    volumes = head.volumes
    pads = np.array([row.pad_corrected_years if row.estimable else np.nan for row in result.regions])
    images: dict[str, Image | None] = {
        "desc-brain_mask": volumes.brain,
        "desc-lesion_mask": volumes.lesion,
        "desc-regions_dseg": volumes.regions.first_region(),
        "desc-parcels_dseg": volumes.parcels,
        "desc-structures_dseg": volumes.structures,
        "desc-thickness_map": volumes.thickness,
        "desc-pad_map": volumes.regions.paint(pads),
    }
    for name, image in images.items():
        if image is None:
            continue
        path = folder / f"{stem}_{name}.nii.gz"
        write_image(from_canonical(image, scan.file_grid), path)
        sidecar = {"Description": VOLUME_MEANINGS[name], "SpatialReference": "the T1-weighted image given"}
        sidecar |= {"Type": MASK_TYPES[name]} if name in MASK_TYPES else {}
        path.with_suffix("").with_suffix(".json").write_text(json.dumps(sidecar, indent=2) + "\n", encoding="utf-8")
    _write_names(folder / f"{stem}_desc-regions_dseg.tsv", [region.name for region in scheme.regions])
    if volumes.structures is not None:
        _write_codes(folder / f"{stem}_desc-structures_dseg.tsv", ASEG_CODES)
    if volumes.parcels is not None:
        _write_names(folder / f"{stem}_desc-parcels_dseg.tsv", PARCEL_NAMES)


def _write_transforms(folder: Path, stem: str, registration: Registration) -> None:
    try:
        registration.save(folder, stem)
    except RuntimeError as error:  # what SimpleITK makes of a full disk
        raise OSError(errno.EIO, "the transforms could not be written (is the disk full?)") from error


def _write_names(path: Path, names: Sequence[str]) -> None:
    _write_codes(path, {name: number for number, name in enumerate(names, start=1)})


def _write_codes(path: Path, code_of_name: Mapping[str, int]) -> None:
    lines = ["index\tname", *(f"{code}\t{name}" for name, code in code_of_name.items())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
