"""Files of the names that pages use: a head with a lesion, FreeSurfer folders, tables, BIDS datasets."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from dicom_series import write_series
from made_up_subject import make_subject
from pages import blocks
from RegionalBrainAgeCohortLib.simulate import simulate_cohort, write_cohort
from RegionalBrainAgeLib.anatomy.parcels import PARCEL_NAMES
from RegionalBrainAgeLib.files.images import read_t1
from RegionalBrainAgeLib.geometry.image import Image, resample, subsampled, to_canonical
from RegionalBrainAgeLib.lesion.simulation import simulate_lesion
from RegionalBrainAgeLib.resources import DEMO_HEAD, package_file


def make_files(folder: Path) -> None:
    """Everything that does not rest on a case measured before; `heads` is empty and for what is remembered."""
    head = subsampled(to_canonical(read_t1(package_file(*DEMO_HEAD))[0]), 2.0)
    head = head.like(np.round(head.array * (4000 / head.array.max())).astype(np.int16))
    lesion = resample(simulate_lesion(20.0, side="L", territory="MCA", seed=7), head)
    _save(head.array, head, folder / "T1w.nii.gz")
    _save(lesion.array.astype(np.uint8), head, folder / "lesion.nii.gz")
    write_series(head, folder / "dicom" / "series-3d-t1", PatientBirthDate="19610301", PatientSex="F")
    _make_subjects(folder, head)
    for name in ("controls.csv", "CONTROLS", "PEOPLE"):
        _write_people(folder / name, 24, 1, 3)
    _write_people(folder / "TABLE.csv", 60, 4, 4)
    write_cohort(simulate_cohort(60, 4, 1), folder / "processed_cases.csv")
    for place in ("bids_dir", "DATASET", "data/bids"):
        _make_dataset(folder / place, folder)
    (folder / "filters.json").write_text(json.dumps({"t1w": {"acquisition": "mprage", "run": 1}}), encoding="utf-8")
    (folder / "brainage.toml").write_text(blocks("toml")[0][1], encoding="utf-8")
    (folder / "qc.tsv").write_text("case_id\tqc\n", encoding="utf-8")
    (folder / "heads").mkdir()


def _save(array: np.ndarray, head: Image, path: Path) -> None:
    nib.save(nib.Nifti1Image(array, head.ras_from_ijk), path)


def _make_subjects(folder: Path, head: Image) -> None:
    """Sixty FreeSurfer folders with a list of them, and a patient's, whose labels are still missing."""
    rng = np.random.default_rng(1)
    people = ["participant_id\tage\tsex\tsite"]
    cases = ["case_id,freesurfer,age,sex,site"]
    for number in range(60):
        name, age = f"sub-{number + 1:02d}", 20 + number
        make_subject(folder / "SUBJECTS_DIR" / name, rng.normal(2.7 - age / 200, 0.1, 148), volumes=False)
        people.append(f"{name}\t{age}\t{'FM'[number // 4 % 2]}\t{'ABCD'[number % 4]}")
        if number < 2:
            cases.append(f"c{number},SUBJECTS_DIR/{name},{age},{'FM'[number % 2]},A")
    (folder / "participants.tsv").write_text("\n".join(people) + "\n", encoding="utf-8")
    for name in ("CASES.csv", "cases.csv"):
        (folder / name).write_text("\n".join(cases) + "\n", encoding="utf-8")
    patient = folder / "subjects" / "07"
    make_subject(patient, rng.normal(2.5, 0.1, 148), volumes=False)
    (patient / "mri").mkdir()
    nib.save(nib.MGHImage(head.array.astype(np.float32), head.ras_from_ijk), patient / "mri" / "orig.mgz")


def _write_people(path: Path, count: int, sites: int, seed: int) -> None:
    """A table of made-up healthy people, named as the FreeSurfer folders, whose cortex gets thinner with age."""
    rng = np.random.default_rng(seed)
    lines = [",".join(["person", "site", "age", "sex", *PARCEL_NAMES])]
    for i in range(count):
        age = 20 + 60 * i / count
        values = rng.normal(2.8 - age / 200, 0.1, len(PARCEL_NAMES))
        facts = [f"sub-{i + 1:02d}", f"s{i % sites}", f"{age:.1f}", "FM"[i // sites % 2]]
        lines.append(",".join([*facts, *map("{:.3f}".format, values)]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _make_dataset(place: Path, files: Path) -> None:
    """Two participants with the head and lesion of `files`."""
    rows = ["participant_id\tage\tsex\tsite"]
    for label in ("01", "02"):
        anat = place / f"sub-{label}" / "ses-1" / "anat"
        anat.mkdir(parents=True)
        stem = f"sub-{label}_ses-1_acq-mprage_run-1"
        shutil.copy(files / "T1w.nii.gz", anat / f"{stem}_T1w.nii.gz")
        shutil.copy(files / "lesion.nii.gz", anat / f"{stem}_label-lesion_mask.nii.gz")
        rows.append(f"sub-{label}\t6{label[1]}\tF\tA")
    (place / "participants.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    description = '{"Name": "Two", "BIDSVersion": "1.10.0"}'
    (place / "dataset_description.json").write_text(description, encoding="utf-8")


def write_freesurfer_labels(case: Path, subject: Path) -> None:
    """FreeSurfer's label volume, of the parcels that a case of the same head was measured in."""
    labels = nib.load(next(case.glob("*_desc-parcels_dseg.nii.gz")))
    codes = np.array([0, *(1000 * side + n for side in (11, 12) for n in range(101, 176) if n != 142)])
    array = codes[np.asarray(labels.dataobj).astype(int)].astype(np.int32)
    nib.save(nib.MGHImage(array, labels.affine), subject / "mri" / "aparc.a2009s+aseg.mgz")


def copy_controls(case: Path, out: Path, count: int) -> None:
    """Healthy cases like one that was measured, with thickness and volumes a little different."""
    rng = np.random.default_rng(5)
    summary = json.loads(next(case.glob("*_case.json")).read_text(encoding="utf-8"))
    for number in range(count):
        name = f"control{number}"
        folder = out / f"sub-{name}"
        folder.mkdir(parents=True)
        summary["case"]["case_id"] = name
        (folder / f"sub-{name}_case.json").write_text(json.dumps(summary), encoding="utf-8")
        for table, column in (("parcels", "thickness_mm"), ("structures", "volume_mm3")):
            frame = pd.read_csv(next(case.glob(f"*_{table}.tsv")), sep="\t", na_values="n/a")
            frame[column] *= rng.normal(1, 0.03, len(frame))
            frame.to_csv(folder / f"sub-{name}_{table}.tsv", sep="\t", na_rep="n/a", index=False)
