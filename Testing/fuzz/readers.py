"""Every reader of a user's file, with small sound files to start from."""

from __future__ import annotations

import argparse
import gzip
import io
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from regional_brain_age.common_options import words_from_config
from RegionalBrainAgeCohortLib.data.cohort_table import read_cohort
from RegionalBrainAgeCohortLib.data.settings import Settings
from RegionalBrainAgeCohortLib.sem.language import parse_model
from RegionalBrainAgeCohortLib.simulate import simulate_cohort, write_cohort
from RegionalBrainAgeLib.age.model.calibration import FORMAT, read_calibration
from RegionalBrainAgeLib.age.model.model_folder import checked_contents, read_description
from RegionalBrainAgeLib.age.norms.charts import read_charts
from RegionalBrainAgeLib.age.people_table import read_people
from RegionalBrainAgeLib.age.vertices.people import read_vertex_people
from RegionalBrainAgeLib.anatomy.parcels import PARCEL_NAMES, PARCELS_PER_HEMISPHERE
from RegionalBrainAgeLib.anatomy.regions import load_scheme
from RegionalBrainAgeLib.anatomy.structures import STRUCTURE_NAMES
from RegionalBrainAgeLib.anatomy.tract import load_tract_template
from RegionalBrainAgeLib.batch.controls import read_controls
from RegionalBrainAgeLib.batch.lists.bids import read_dataset, read_filters
from RegionalBrainAgeLib.batch.lists.case_list import read_case_list
from RegionalBrainAgeLib.batch.lists.parcel_lists import read_measured
from RegionalBrainAgeLib.batch.review.decisions import read_decision_file
from RegionalBrainAgeLib.batch.review.quality_page import write_quality_page
from RegionalBrainAgeLib.batch.run.case_records import Store
from RegionalBrainAgeLib.batch.run.dask_pool import read_profile
from RegionalBrainAgeLib.case.result.summary import read_result
from RegionalBrainAgeLib.case.result.tables import append_case, processed_columns
from RegionalBrainAgeLib.cortex.freesurfer import read_subject
from RegionalBrainAgeLib.files.dicom import read_dicom_folder
from RegionalBrainAgeLib.files.images import read_labels, read_mask, read_t1
from RegionalBrainAgeLib.files.input_file import read_json
from RegionalBrainAgeLib.geometry.image import Image, to_sitk
from RegionalBrainAgeLib.resources import model_folder, scheme_file, structure_model_folder
from RegionalBrainAgeLib.structures.freesurfer import read_volumes
from RegionalBrainAgeLib.structures.model import load_model as load_structure_model
from RegionalBrainAgeSlicer.scene.case_folder import read_case_folder
from shared_folder import DAMAGED, REPORTS


@dataclass(frozen=True)
class Reader:
    """A reader to be tried.

    Parameters
    ----------
    file : name of the damaged file below the working folder.
    seed : its sound content.
    read : reads it; anything but a result or the software's own error is a fault.
    head : bytes at the front where most changes should fall; 0 for anywhere.
    share : how many of the inputs it gets, relative to the others (the quick ones get more).
    packed : the change is made before the content is packed with gzip.
    """

    file: str
    seed: bytes
    read: Callable[[Path], object]
    head: int = 0
    share: float = 1.0
    packed: bool = False


def all_readers(work: Path) -> dict[str, Reader]:
    """Readers by name; what they need beside the damaged file is written to `work` first."""
    return {**_images(work), **_freesurfer(work), **_tables(work), **_json(work)}


def _images(work: Path) -> dict[str, Reader]:
    t1, _ = read_t1(REPORTS / "t1.nii.gz")
    nifti = gzip.decompress((REPORTS / "t1.nii.gz").read_bytes())
    mask = gzip.decompress((REPORTS / "mask01.nii.gz").read_bytes())
    mgh = nib.MGHImage(t1.array.astype(np.uint8), t1.ras_from_ijk).to_bytes()
    small = Image(t1.array.astype(np.uint8), t1.ras_from_ijk)
    nrrd = {}
    for name, packed in (("raw", False), ("gzip", True)):
        sitk.WriteImage(to_sitk(small), str(work / f"{name}.nrrd"), useCompression=packed)
        nrrd[name] = (work / f"{name}.nrrd").read_bytes()
    tract = np.zeros((20, 20, 20), np.float32)
    tract[3:6, 5:9, 4:9] = 0.8
    affine = np.diag([4.0, 4, 4, 1])
    affine[:3, 3] = -38
    sound = nib.Nifti1Image(tract[::-1], affine)
    nib.save(sound, work / "right.nii")
    left = nib.Nifti1Image(tract, affine).to_bytes()

    _write_slices(work / "slice", small)

    def with_file(path: Path) -> object:
        return read_t1(path)

    return {
        "T1 nii": Reader("t1.nii", nifti, with_file, 352, 1),
        "T1 nii.gz": Reader("t1.nii.gz", nifti, with_file, 352, 0.5, packed=True),
        "T1 nii.gz, packed bytes": Reader("t2.nii.gz", (REPORTS / "t1.nii.gz").read_bytes(), with_file, 0, 0.5),
        "T1 mgh": Reader("t1.mgh", mgh, with_file, 284, 1),
        "T1 mgz": Reader("t1.mgz", gzip.compress(mgh, 1), with_file, 0, 0.5),
        "T1 nrrd": Reader("t1.nrrd", nrrd["raw"], with_file, 400, 1),
        "T1 nrrd, packed": Reader("t2.nrrd", nrrd["gzip"], with_file, 400, 0.5),
        "lesion mask": Reader("mask.nii", mask, lambda path: read_mask(path, t1), 352, 1),
        "cropped segmentation": Reader("seg.seg.nrrd", (REPORTS / "A19_lesion.seg.nrrd").read_bytes(),
                                       lambda path: read_mask(path, t1), 500, 1),
        "label volume": Reader("labels.nii", mask, read_labels, 352, 1),
        "tract": Reader("left.nii", left, lambda path: load_tract_template(path, work / "right.nii"), 352, 1),
        "DICOM enhanced": Reader("dicom/e.dcm", (REPORTS / "A07_enhanced" / "e.dcm").read_bytes(),
                                 lambda path: read_t1(path.parent), 12000, 0.25),
        "DICOM slice": Reader("slice/1.dcm", (work / "slice" / "1.dcm").read_bytes(),
                              lambda path: read_dicom_folder(path.parent), 1200, 2),
    }  # fmt: skip


def _write_slices(folder: Path, image: Image) -> None:
    """Three neighbouring slices as DICOM files."""
    folder.mkdir()
    volume = to_sitk(image)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for number in range(3):
        part = volume[:, :, 20 + number]
        position = volume.TransformIndexToPhysicalPoint((0, 0, 20 + number))
        tags = {"0008|0060": "MR", "0020|000e": "1.2.3", "0008|0018": f"1.2.3.{number}", "0028|0030": "2\\2"}
        tags |= {"0020|0032": "\\".join(map(str, position)), "0020|0037": "-1\\0\\0\\0\\-1\\0"}
        for key, value in tags.items():
            part.SetMetaData(key, value)
        writer.SetFileName(str(folder / f"{number}.dcm"))
        writer.Execute(part)


def _freesurfer(work: Path) -> dict[str, Reader]:
    def subject(name: str) -> Path:
        folder = work / name
        for side in ("lh", "rh"):
            write_stats(folder, side)
        return folder

    stats = subject("fs") / "stats" / "lh.aparc.a2009s.stats"
    surface = work / "surf"
    for side, names in (("lh", PARCEL_NAMES[:PARCELS_PER_HEMISPHERE]), ("rh", PARCEL_NAMES[PARCELS_PER_HEMISPHERE:])):
        (surface / "surf").mkdir(parents=True, exist_ok=True)
        (surface / "label").mkdir(exist_ok=True)
        labels = np.repeat(np.arange(len(names)), 10).astype(np.int32)
        thickness = np.full(len(labels), 2.5, np.float32) + np.arange(len(labels)) % 7 / 50
        nib.freesurfer.write_morph_data(surface / "surf" / f"{side}.thickness", thickness)
        colours = np.column_stack(
            [np.arange(len(names)) + 1, np.arange(len(names)) % 200, *np.zeros((2, len(names)), int)]
        )
        texts = [name[3:].encode() for name in names]
        nib.freesurfer.write_annot(
            surface / "label" / f"{side}.aparc.a2009s.annot", labels, colours, texts, fill_ctab=True
        )
    volumes = work / "volumes" / "stats"
    volumes.mkdir(parents=True)
    rows = [f"{i} {i + 4} 3000 {3000 + i}.5 {name} 50 9 0 99 99" for i, name in enumerate(STRUCTURE_NAMES)]
    icv = "# Measure EstimatedTotalIntraCranialVol, eTIV, Estimated Total Intracranial Volume, 1500000.0, mm^3"
    heads = "# ColHeaders  Index SegId NVoxels Volume_mm3 StructName normMean normStdDev normMin normMax normRange"
    (volumes / "aseg.stats").write_text("\n".join([icv, heads, *rows]) + "\n", encoding="utf-8")
    annotation, morph = surface / "label" / "lh.aparc.a2009s.annot", surface / "surf" / "lh.thickness"
    return {
        "FreeSurfer stats": Reader("fs/stats/lh.aparc.a2009s.stats", stats.read_bytes(),
                                   lambda path: read_subject(path.parents[1]), 0, 4),
        "FreeSurfer annot": Reader("surf/label/lh.aparc.a2009s.annot", annotation.read_bytes(),
                                   lambda path: read_subject(path.parents[1]), 0, 3),
        "FreeSurfer thickness": Reader("surf/surf/lh.thickness", morph.read_bytes(),
                                       lambda path: read_subject(path.parents[1]), 40, 3),
        "FreeSurfer volumes": Reader("volumes/stats/aseg.stats", (volumes / "aseg.stats").read_bytes(),
                                     lambda path: read_volumes(path.parents[1]), 0, 4),
    }  # fmt: skip


def write_stats(folder: Path, side: str) -> None:
    """A sound parcel table of one hemisphere below a subject's folder."""
    names = PARCEL_NAMES[:PARCELS_PER_HEMISPHERE] if side == "lh" else PARCEL_NAMES[PARCELS_PER_HEMISPHERE:]
    lines = [f"# hemi {side}", "# ColHeaders StructName NumVert SurfArea GrayVol ThickAvg ThickStd"]
    lines += [f"{name[3:].replace('_and_', '&')} 1000 700 2000 2.{i % 90 + 10} 0.5" for i, name in enumerate(names)]
    (folder / "stats").mkdir(parents=True, exist_ok=True)
    (folder / "stats" / f"{side}.aparc.a2009s.stats").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_people(path: Path, count: int, sites: int, seed: int) -> None:
    """A table of made-up healthy people, one row each, of so many sites in turn."""
    rng = np.random.default_rng(seed)
    lines = [",".join(["person", "site", "age", "sex", *PARCEL_NAMES])]
    for i in range(count):
        values = [f"{value:.3f}" for value in rng.normal(2.5, 0.1, len(PARCEL_NAMES))]
        lines.append(",".join([f"p{i}", f"s{i % sites}", str(20 + 60 * i // count), "FM"[i // sites % 2], *values]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _tables(work: Path) -> dict[str, Reader]:
    for name in ("a.nii", "b.nii"):
        (work / name).touch()
    cases = b"case_id,t1,lesion,age,sex,site,days_post_stroke,motor,session\n" + b"".join(
        f"P{i},a.nii,b.nii,{50 + i},{'FM'[i % 2]},Site {i % 3},{200 + i},0.{i + 1},{i % 2 + 1}\n".encode()
        for i in range(8)
    )
    write_people(work / "wide.csv", 12, 2, 1)
    wide = (work / "wide.csv").read_bytes()
    write_cohort(simulate_cohort(20, 4, 1), work / "simulated.csv")
    parcels = "parcel\tthickness_mm\tlesioned_fraction\n" + "".join(
        f"{name}\t2.5{i % 9}\t0\n" for i, name in enumerate(PARCEL_NAMES)
    )
    (work / "people.csv").write_text("case_id,parcels,age,sex\np1,parcels.tsv,60,M\n", encoding="utf-8")
    dataset = work / "bids"
    shutil.copytree(REPORTS / "A09_bids_person_twice", dataset, dirs_exist_ok=True)

    columns = ["warp_epsilon", "warp_log_b", "log_beta", "intercept", "age", "sex_male"]
    columns += [f"spline{k}" for k in range(7)] + [f"site:{name}" for name in "abcde"]
    row = ",0.1" * len(columns)
    charts = "\n".join([",".join(["parcel", *columns]), *(name + row for name in PARCEL_NAMES)])
    vertices = io.BytesIO()
    np.save(vertices, np.ones((2, 5124, 1), np.float16))
    (work / "two.csv").write_text("person,site,age,sex\na,s,40,F\nb,s,50,M\n", encoding="utf-8")

    def measured(path: Path) -> object:
        return list(read_measured(path, calibration=None, freesurfer_thickness=True))

    return {
        "list of cases": Reader("cases.csv", cases, read_case_list, 0, 6),
        "list of measured people": Reader("wide.csv", wide, measured, 900, 2),
        "parcel table": Reader("parcels.tsv", parcels.encode(),
                               lambda path: measured(path.with_name("people.csv")), 0, 5),
        "table of people": Reader("table.csv", wide, read_people, 0, 2),
        "cohort table": Reader("cohort.csv", (work / "simulated.csv").read_bytes(), read_cohort, 1500, 1),
        "participants.tsv": Reader("bids/participants.tsv", (dataset / "participants.tsv").read_bytes(),
                                   lambda path: read_dataset(path.parent), 0, 6),
        "decisions": Reader("qc.tsv", b"case_id\tdecision\treviewer\tnote\nP1\taccept\tme\tn/a\nP2\treject\tme\tx\n",
                            read_decision_file, 0, 6),
        "charts": Reader("charts.csv", charts.encode(), read_charts, 300, 2),
        "vertices": Reader("v.npy", vertices.getvalue(),
                           lambda path: read_vertex_people(path.with_name("two.csv"), path), 128, 3),
        "path model": Reader("model.txt", b"age ~ load + days\nload ~~ days\nmotor ~ a*age + c*load\nind := a*c\n",
                             lambda path: parse_model(path.read_text(encoding="utf-8", errors="replace")), 0, 6),
        "region scheme": Reader("scheme.tsv", scheme_file().read_bytes(), load_scheme, 0, 2),
    }  # fmt: skip


def _json(work: Path) -> dict[str, Reader]:
    calibration = {
        "controls": 20, "offset": [0.1] * 148, "route": "FreeSurfer", "model": "m", "norms_sha256": "0" * 64,
        "format": FORMAT,
    }  # fmt: skip
    model = model_folder()
    shutil.copytree(model, work / "model", dirs_exist_ok=True)
    out = work / "page"
    (out / "sub-demo").mkdir(parents=True, exist_ok=True)
    row = dict.fromkeys(processed_columns(["smn"]), "1") | {"case_id": "demo", "qc": "pass", "lesion_side": "L"}
    append_case(out / "processed_cases.csv", row)
    summary = json.loads((DAMAGED / "summary_without_regions" / "sub-demo_case.json").read_text(encoding="utf-8"))
    summary.setdefault("regions", [])
    records = work / "records" / "batch" / "records"
    records.mkdir(parents=True, exist_ok=True)
    settings = {
        "families": ["mixed"],
        "severe_cut": 0.4,
        "folds": 5,
        "covariates": ["age"],
        "seed": 3,
        "sem_cluster": True,
    }

    def model_files(path: Path) -> object:
        return checked_contents(path.parent, read_description(path.parent))

    def settings_of(path: Path) -> object:
        content = read_json(path, "The settings")
        return Settings.from_dict(content) if isinstance(content, dict) else None

    command = argparse.ArgumentParser()
    command.add_argument("--workers", type=int)
    command.add_argument("--leave-out", nargs="+")
    command.add_argument("--resume", action="store_true")
    shutil.copytree(structure_model_folder(), work / "structures", dirs_exist_ok=True)
    cases = work / "controls" / "sub-demo"
    cases.mkdir(parents=True)
    tables = {
        "parcels": ["parcel\tthickness_mm\tlesioned_fraction\tvoxels", *(f"{p}\t2.5\t0\t99" for p in PARCEL_NAMES)],
        "regions": ["region\tnetwork\themisphere\tside\testimable\treason\tbrain_age_years\tpad_corrected_years\t"
                    "pad_lower_years\tpad_upper_years\tpad_percentile\tload_fraction\tthickness_mm",
                    *(f"SMN_{side}\tSMN\t{side}\tn/a\ttrue\tn/a\t60.1\t2.5\t-9\t14\t63\t0\t2.4" for side in "LR")],
    }  # fmt: skip
    for name, lines in tables.items():
        (cases / f"sub-demo_{name}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    healthy = json.dumps(summary | {"lesion": {**summary["lesion"], "side": "none"}}).encode()
    (cases / "sub-demo_case.json").write_bytes(healthy)

    def options(path: Path) -> object:
        return words_from_config(["--config", str(path)], {"batch": command}, "batch")

    def page(path: Path) -> object:
        return write_quality_page(path.parents[1])

    return {
        "calibration": Reader("c.json", json.dumps(calibration).encode(), read_calibration, 0, 6),
        "model.json": Reader("model/model.json", (model / "model.json").read_bytes(), model_files, 0, 1),
        "settings": Reader("settings.json", json.dumps(settings).encode(), settings_of, 0, 8),
        "case.json": Reader("sub-demo/sub-demo_case.json", json.dumps(summary).encode(),
                            lambda path: read_result(path.parent), 0, 3),
        "controls of a folder": Reader("controls/sub-demo/sub-demo_case.json", healthy,
                                       lambda path: read_controls(path.parents[1]), 0, 2),
        "case in Slicer, table": Reader("controls/sub-demo/sub-demo_regions.tsv",
                                        (cases / "sub-demo_regions.tsv").read_bytes(),
                                        lambda path: read_case_folder(path.parent), 0, 4),
        "case in Slicer, facts": Reader("controls/sub-demo/sub-demo_case.json", healthy,
                                        lambda path: read_case_folder(path.parent), 0, 2),
        "structure model": Reader("structures/structures.json", (work / "structures/structures.json").read_bytes(),
                                  lambda path: load_structure_model.__wrapped__(path.parent), 0, 0.5),
        "BIDS filter": Reader("filter.json", b'{"t1w": {"acquisition": "mprage", "run": [1, 2]}}', read_filters, 0, 6),
        "options file": Reader("options.toml", b'[batch]\nworkers = 2\nleave-out = ["a", "b"]\nresume = true\n',
                               options, 0, 6),
        "quality page": Reader("page/sub-demo/sub-demo_case.json", json.dumps(summary).encode(), page, 0, 1),
        "record": Reader("records/batch/records/sub-P2.json",
                         (DAMAGED / "record_with_another_column" / "sub-P2.json").read_bytes(),
                         lambda path: Store(path.parents[2]).read("sub-P2"), 0, 6),
        "SLURM profile": Reader("p.yaml", b"queue: normal\ncores: 1\nmemory: 4GB\ninterface: ib0\n",
                                read_profile, 0, 4),
    }  # fmt: skip
