"""Writes a head as a DICOM series of single slices, as an archive would export it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid
from RegionalBrainAgeLib.geometry.image import RAS_FROM_LPS, Image

PATIENT = {
    "PatientName": "Müller^Anna",
    "PatientID": "H-4711",
    "PatientBirthDate": "19640301",
    "PatientSex": "F",
    "StudyDate": "20240520",
    "StudyTime": "101500",
    "AccessionNumber": "A-9",
    "StudyID": "S1",
    "ReferringPhysicianName": "Roe^Jane",
}


def write_series(image: Image, folder: Path, **tags: object) -> None:
    """Slices along the third axis of `image` (values 0..4095), with the tags of `PATIENT` unless others are given.

    Parameters
    ----------
    tags : by keyword; None leaves one out.
    """
    folder.mkdir(parents=True)
    lps = RAS_FROM_LPS @ image.ras_from_ijk
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    row, column, _ = (lps[:3, :3] / spacing).T
    common = {"StudyInstanceUID": generate_uid(), "FrameOfReferenceUID": generate_uid(), **PATIENT, **tags}
    series = generate_uid()
    for number in range(image.shape[2]):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MRImageStorage, generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        header = FileDataset(str(folder / f"{number:03d}.dcm"), {}, file_meta=meta, preamble=b"\0" * 128)
        header.SpecificCharacterSet = "ISO_IR 192"
        header.SOPClassUID, header.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
        header.Modality, header.SeriesInstanceUID, header.ImageType = "MR", series, ["ORIGINAL", "PRIMARY", "M", "ND"]
        header.SeriesNumber, header.InstanceNumber, header.SeriesDescription = 3, number + 1, "t1_mprage"
        header.ImagePositionPatient = [f"{value:.6g}" for value in (lps @ [0, 0, number, 1])[:3]]
        header.ImageOrientationPatient = [f"{value:.9g}"[:16] for value in (*row, *column)]
        header.PixelSpacing = [f"{spacing[1]:.8g}", f"{spacing[0]:.8g}"]
        header.SliceThickness = f"{spacing[2]:.8g}"
        header.Columns, header.Rows, _ = image.shape
        header.SamplesPerPixel, header.PhotometricInterpretation, header.PixelRepresentation = 1, "MONOCHROME2", 0
        header.BitsAllocated, header.BitsStored, header.HighBit = 16, 12, 11
        header.PixelData = np.ascontiguousarray(image.array[:, :, number].T).astype("<u2").tobytes()
        for keyword, value in common.items():
            if value is not None:
                setattr(header, keyword, value)
        header.save_as(header.filename, enforce_file_format=True)
