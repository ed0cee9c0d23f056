"""What a case gives to a PACS: its report as Encapsulated PDF, its lesion and its regions as DICOM segmentations.

Patient and study are those of the series the T1 was read from; segments lie on its planes.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from ... import __version__
from ...figures import palette
from ...geometry.image import Image, from_canonical
from ..measure_head import Head, Scan
from ..report.texts import NETWORK_NAMES
from .dicom_source import DicomSource
from .result import CaseResult, RegionResult

if TYPE_CHECKING:
    import highdicom

FOLDER = "dicom"
MANUFACTURER = "RegionalBrainAge"
ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"
# Characters of a long string (LO).
_LONGEST_TEXT = 64
# Numbers of the series made here, above those that scanners use.
REPORT_SERIES, LESION_SERIES, REGIONS_SERIES = 9001, 9002, 9003


def write_dicom(folder: Path, result: CaseResult, head: Head, scan: Scan, source: DicomSource, pdf: bytes) -> None:
    """Write ``<name>_report.dcm``, ``<name>_regions.dcm`` and, with a lesion, ``<name>_lesion.dcm`` into `folder`."""
    folder.mkdir()
    stem = result.case.name
    _report(result, source, pdf).save_as(folder / f"{stem}_report.dcm", enforce_file_format=True)
    volumes = head.volumes
    if head.lesion is not None:
        lesion = _segmentation([head.lesion], [_lesion_segment(result)], "Lesion", LESION_SERIES, result, scan, source)
        lesion.save_as(folder / f"{stem}_lesion.dcm")
    # Regions overlap, and a binary segmentation lets them.
    segments = [_region_segment(number, row) for number, row in enumerate(result.regions, start=1)]
    regions = _segmentation(volumes.regions.masks(), segments, "Regions", REGIONS_SERIES, result, scan, source)
    regions.save_as(folder / f"{stem}_regions.dcm")


def _segmentation(
    masks: Sequence[Image],
    segments: Sequence[highdicom.seg.SegmentDescription],
    title: str,
    series_number: int,
    result: CaseResult,
    scan: Scan,
    source: DicomSource,
) -> Dataset:
    """One segment per mask; the masks are in canonical voxel order, the segmentation in that of the series' planes."""
    import highdicom

    stored = [from_canonical(mask, scan.file_grid).array.astype(bool) for mask in masks]
    # (along a row, along a column, plane) becomes (frame, row, column, segment).
    pixels = np.stack([array.transpose(2, 1, 0)[list(source.frames)] for array in stored], axis=-1)
    return highdicom.seg.Segmentation(
        source_images=source.images,
        pixel_array=pixels.astype(np.uint8),
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=segments,
        series_instance_uid=highdicom.UID(),
        series_number=series_number,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MANUFACTURER,
        software_versions=__version__,
        device_serial_number="none",
        content_label=title.upper(),
        content_description=_told(f"{title} of {result.case.name}", result),
        content_creator_name=f"{MANUFACTURER}^",
        series_description=_told(f"RegionalBrainAge {title.lower()}", result),
    )


def _lesion_segment(result: CaseResult) -> highdicom.seg.SegmentDescription:
    """The mask was given: who drew it, and how, is not known here; a simulated one is no infarct."""
    import highdicom
    from pydicom.sr.codedict import codes

    simulated = "lesion" in result.case.simulated
    return highdicom.seg.SegmentDescription(
        segment_number=1,
        segment_label="Simulated lesion" if simulated else "Lesion",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Lesion,
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.MANUAL,
        anatomic_regions=[codes.SCT.Brain],
        display_color=_colour(palette.LESION),
    )


def _region_segment(number: int, row: RegionResult) -> highdicom.seg.SegmentDescription:
    import highdicom
    from pydicom.sr.codedict import codes

    algorithm = highdicom.AlgorithmIdentificationSequence(
        name="RegionalBrainAge regions by registration of an atlas",
        family=codes.DCM.DeformableModels,
        version=__version__,
    )
    network = NETWORK_NAMES.get(row.network, row.network)
    segment = highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=f"{row.region}: {network}, {'left' if row.hemisphere == 'L' else 'right'}",
        segmented_property_category=codes.SCT.AnatomicalStructure,
        segmented_property_type=codes.SCT.CerebralCortex,
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
    )
    side = codes.SCT.Left if row.hemisphere == "L" else codes.SCT.Right
    segment.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [
        highdicom.sr.CodedConcept.from_code(side)
    ]
    return segment


def _colour(hex_colour: str) -> highdicom.color.CIELabColor:
    import highdicom

    return highdicom.color.CIELabColor.from_rgb(*(round(255 * part) for part in palette.rgb(hex_colour)))


def _report(result: CaseResult, source: DicomSource, pdf: bytes) -> Dataset:
    """The report as Encapsulated PDF (PS3.3 A.45.1)."""
    import highdicom

    now = datetime.datetime.now().astimezone()
    first = source.first
    report = highdicom.SOPClass(
        study_instance_uid=first.StudyInstanceUID,
        series_instance_uid=highdicom.UID(),
        series_number=REPORT_SERIES,
        sop_instance_uid=highdicom.UID(),
        sop_class_uid=ENCAPSULATED_PDF,
        instance_number=1,
        modality="DOC",
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MANUFACTURER,
        software_versions=__version__,
        device_serial_number="none",
        transfer_syntax_uid=ExplicitVRLittleEndian,
        patient_id=first.PatientID,
        patient_name=first.PatientName,
        patient_birth_date=first.PatientBirthDate,
        patient_sex=first.PatientSex,
        study_id=first.StudyID,
        study_date=first.StudyDate,
        study_time=first.StudyTime,
        accession_number=first.AccessionNumber,
        referring_physician_name=first.ReferringPhysicianName,
        series_description=_told("RegionalBrainAge report", result),
        content_date=now.date(),
        content_time=now.time(),
        specific_character_set=first.get("SpecificCharacterSet"),
    )
    report.copy_patient_and_study_information(first)
    report.AcquisitionDateTime = None
    # The report shows case id, age and sex.
    report.BurnedInAnnotation = "YES"
    report.ConversionType = "WSD"
    report.RecognizableVisualFeatures = "NO"
    report.DocumentTitle = _told(f"Regional brain age, {result.case.name}", result)
    report.ConceptNameCodeSequence = []
    report.SourceInstanceSequence = [_reference(image) for image in source.images]
    report.MIMETypeOfEncapsulatedDocument = "application/pdf"
    report.EncapsulatedDocumentLength = len(pdf)
    report.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    return report


def _reference(image: Dataset) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    return reference


def _told(text: str, result: CaseResult) -> str:
    """A title that says what the result is for, and whether it is one; cut to the 64 characters DICOM allows."""
    ending = f" ({'simulated' if result.case.simulated else 'research only'})"
    return text[: _LONGEST_TEXT - len(ending)] + ending
