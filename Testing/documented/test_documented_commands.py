"""The calls of the program that a page shows are run, in the order of the page, on files of the names it uses.

What takes long is shortened, and only that: a head is measured once for all calls, and models are trained for a few
steps. What cannot be run here is listed with the test that does, or with the reason.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from dicom_series import write_series
from made_up_subject import make_subject
from measured_once import remember_heads
from regional_brain_age import __main__ as command_line
from RegionalBrainAgeCohortLib.simulate import simulate_cohort, write_cohort
from RegionalBrainAgeLib.anatomy.parcels import PARCEL_NAMES
from RegionalBrainAgeLib.batch.run import batch
from RegionalBrainAgeLib.case import pipeline
from RegionalBrainAgeLib.files.images import read_t1
from RegionalBrainAgeLib.geometry.image import resample, subsampled, to_canonical
from RegionalBrainAgeLib.lesion.simulation import simulate_lesion
from RegionalBrainAgeLib.resources import DEMO_HEAD, package_file
from shared_folder import ROOT

pytestmark = pytest.mark.slow

# The calls of the other pages are read by the parser alone (unit/test_documentation.py).
RUN = (
    "README.md",
    "Resources/Models/README.md",
    "docs/cluster.md",
    "docs/cohort.md",
    "docs/howto/train.md",
    "docs/tutorials/bids.md",
)

SHORTER = {"train": ["--steps", "3", "--folds", "2"]}
# Words of a call: where it is run instead, or why not.
ELSEWHERE = {
    "demo": "test_case_real_head.py",
    "--scheduler": "test_batch_dask.py",
    "vertices": "unit/age/test_subjects.py",
    "--vertices": "unit/age/vertices/test_vertices.py",
    "train-structures": "unit/structures/test_command.py",
    "--charts": "the shipped model's training takes hours, and its people are not shipped",
}


def _documentation():
    spec = importlib.util.spec_from_file_location("pages", ROOT / "Testing" / "unit" / "test_documentation.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAGES = _documentation()


def calls() -> dict[str, list[list[str]]]:
    """The calls of every page that are run here, without those it repeats."""
    found: dict[str, list[list[str]]] = {}
    for page, words in PAGES.typed():
        if page not in RUN or words[0].startswith("-") or any(word in ELSEWHERE for word in words):
            continue
        if words not in found.setdefault(page, []):
            found[page].append(words)
    return {page: words for page, words in found.items() if words}


def write_people(path: Path, count: int, sites: int, seed: int) -> None:
    """A table of made-up healthy people, named as the FreeSurfer folders, whose cortex gets thinner with age."""
    rng = np.random.default_rng(seed)
    lines = [",".join(["person", "site", "age", "sex", *PARCEL_NAMES])]
    for i in range(count):
        age = 20 + 60 * i / count
        values = rng.normal(2.8 - age / 200, 0.1, len(PARCEL_NAMES))
        facts = [f"sub-{i + 1:02d}", f"s{i % sites}", f"{age:.1f}", "FM"[i // sites % 2]]
        lines.append(",".join([*facts, *map("{:.3f}".format, values)]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with everything that pages name: a head of 2 mm with a lesion, FreeSurfer folders, tables, datasets."""
    folder = tmp_path_factory.mktemp("pages")
    head = subsampled(to_canonical(read_t1(package_file(*DEMO_HEAD))[0]), 2.0)
    head = head.like(np.round(head.array * (4000 / head.array.max())).astype(np.int16))
    lesion = resample(simulate_lesion(20.0, side="L", territory="MCA", seed=7), head)
    t1, mask = folder / "T1w.nii.gz", folder / "lesion.nii.gz"
    nib.save(nib.Nifti1Image(head.array, head.ras_from_ijk), t1)
    nib.save(nib.Nifti1Image(lesion.array.astype(np.uint8), head.ras_from_ijk), mask)
    write_series(head, folder / "dicom" / "series-3d-t1", PatientBirthDate="19610301", PatientSex="F")

    rng = np.random.default_rng(1)
    people = ["participant_id\tage\tsex\tsite"]
    cases = ["case_id,freesurfer,age,sex,site"]
    for number in range(60):
        name, age = f"sub-{number + 1:02d}", 20 + number
        make_subject(folder / "SUBJECTS_DIR" / name, rng.normal(2.8 - age / 200, 0.1, 148), volumes=False)
        people.append(f"{name}\t{age}\t{'FM'[number // 4 % 2]}\t{'ABCD'[number % 4]}")
        if number < 2:
            cases.append(f"c{number},SUBJECTS_DIR/{name},{age},{'FM'[number % 2]},A")
    (folder / "participants.tsv").write_text("\n".join(people) + "\n", encoding="utf-8")
    (folder / "CASES.csv").write_text("\n".join(cases) + "\n", encoding="utf-8")
    make_subject(folder / "subjects" / "07", rng.normal(2.5, 0.1, 148), volumes=False)
    (folder / "subjects" / "07" / "mri").mkdir()
    nib.save(
        nib.MGHImage(head.array.astype(np.float32), head.ras_from_ijk), folder / "subjects" / "07" / "mri" / "orig.mgz"
    )
    write_people(folder / "controls.csv", 24, 1, 3)
    write_people(folder / "TABLE.csv", 60, 4, 4)
    for name in ("CONTROLS", "PEOPLE"):
        shutil.copy(folder / "controls.csv", folder / name)
    write_cohort(simulate_cohort(60, 4, 1), folder / "processed_cases.csv")

    for place in ("bids_dir", "DATASET", "data/bids"):
        rows = ["participant_id\tage\tsex\tsite"]
        for label in ("01", "02"):
            anat = folder / place / f"sub-{label}" / "ses-1" / "anat"
            anat.mkdir(parents=True)
            stem = f"sub-{label}_ses-1_acq-mprage_run-1"
            shutil.copy(t1, anat / f"{stem}_T1w.nii.gz")
            shutil.copy(mask, anat / f"{stem}_label-lesion_mask.nii.gz")
            rows.append(f"sub-{label}\t6{label[1]}\tF\tA")
        (folder / place / "participants.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
        (folder / place / "dataset_description.json").write_text('{"Name": "Two", "BIDSVersion": "1.10.0"}')
    (folder / "filters.json").write_text(json.dumps({"t1w": {"acquisition": "mprage", "run": 1}}))
    (folder / "qc.tsv").write_text("case_id\tqc\n", encoding="utf-8")
    (folder / "heads").mkdir()
    return folder


# What a page takes for granted when it begins: calls that came before, on another page.
BEFORE = {"Resources/Models/README.md": [["train", "TABLE.csv", "--out", "MODEL"]]}


def test_what_is_run_elsewhere_is_there():
    for place in ELSEWHERE.values():
        if place.endswith(".py"):
            folder = ROOT / "Testing" if "/" in place else ROOT / "Testing" / "integration"
            assert (folder / place).exists()


@pytest.mark.parametrize("page", sorted(calls()))
def test_the_calls_of_a_page_end_well(page, files, tmp_path, monkeypatch, capsys):
    for path in files.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pipeline, "measure_head", pipeline.measure_head)  # put back at the end
    remember_heads(files / "heads")
    worker = (sys.executable, str(Path(__file__).with_name("measured_once.py")), str(files / "heads"))
    monkeypatch.setitem(batch.run_batch.__kwdefaults__, "command", worker)
    for words in [*BEFORE.get(page, []), *calls()[page]]:
        here = [str(tmp_path / word[1:]) if word.startswith(("/data/", "/shared/")) else word for word in words]
        if words[0] == "train":  # a page may show it twice
            shutil.rmtree(words[words.index("--out") + 1], ignore_errors=True)
        if words[:2] == ["cohort", "results/processed_cases.csv"]:  # a cohort of more than the page's one case
            shutil.copy("processed_cases.csv", "results/processed_cases.csv")
        code = command_line.main([*here, *SHORTER.get(words[0], [])])
        assert code == 0, f"{' '.join(words)}\n{capsys.readouterr().err[-2000:]}"
