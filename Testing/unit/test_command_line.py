"""The command line: what a user sees when something is wrong, and what is left behind (nothing)."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
import time
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
from regional_brain_age import __main__ as command_line
from RegionalBrainAgeLib.errors import CaseError, RegionalBrainAgeError

FACTS = {"--age": "63", "--sex": "F"}


def head(shape=(90, 108, 90), spacing_mm=(2.0, 2.0, 2.0)) -> np.ndarray:
    """A bright ball in the dark with some texture: passes as a file, not as a brain."""
    grid = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    radius = np.sqrt(sum(axis**2 for axis in grid))
    texture = np.random.default_rng(0).normal(0, 20, shape)
    return np.where(radius < 0.8, 500 - 200 * radius + texture, 5).clip(0).astype(np.float32)


def save(path, array, spacing_mm=(2.0, 2.0, 2.0), shift_mm=0.0):
    affine = np.diag([*spacing_mm, 1.0])
    affine[:3, 3] = shift_mm - np.array(array.shape[:3]) * spacing_mm / 2
    nib.save(nib.Nifti1Image(array, affine), path)
    return path


@pytest.fixture
def run(tmp_path, capsys):
    """Runs ``case`` with facts changed; gives exit code and stderr. The output folder must not hold a result after."""

    def run_case(code, **options):
        out = tmp_path / "out"
        words = {**FACTS, **{f"--{k.replace('_', '-')}": str(v) for k, v in options.items()}}
        words.setdefault("--out", str(out))
        try:
            got = command_line.main(["case", *(part for pair in words.items() for part in pair)])
        except SystemExit as stop:  # argparse's own way
            got = stop.code
        said = capsys.readouterr().err
        assert got == code, said
        assert "Traceback" not in said
        assert not out.exists() or os.listdir(out) == []
        return said

    return run_case


@pytest.fixture
def t1(tmp_path):
    return save(tmp_path / "head.nii.gz", head())


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("age", "-3", "in years"),
        ("age", "sixty", "sixty"),
        ("sex", "x", "F or M"),
        ("id", "../../etc", "letters, digits"),
        ("motor", "45", "by 66"),
        ("days", "soon", "number of days"),
        ("threads", "0", "at least 1"),
        ("t1", "absent.nii.gz", "absent.nii.gz"),
        ("lesion", "absent.nii.gz", "absent.nii.gz"),
        ("calibration", "absent.json", "absent.json"),
    ],
)
def test_wrong_facts_are_refused_before_anything_is_read(run, t1, option, value, said):
    assert said in run(2, **{"t1": t1, option: value})


def four_dimensional(folder):
    return save(folder / "bad.nii.gz", np.stack([head((40, 40, 40))] * 3, axis=-1))


def thick_slices(folder):
    return save(folder / "bad.nii.gz", head((180, 216, 36)), (1.0, 1.0, 5.0))


def full_of_nan(folder):
    return save(folder / "bad.nii.gz", np.full((90, 108, 90), np.nan, np.float32))


def some_nan(folder):
    array = head()
    array[20:60] = np.nan
    return save(folder / "bad.nii.gz", array)


def constant(folder):
    return save(folder / "bad.nii.gz", np.full((90, 108, 90), 7, np.float32))


def truncated(folder):
    path = save(folder / "bad.nii.gz", head())
    path.write_bytes(path.read_bytes()[:20_000])
    return path


def terabytes(folder):
    header = nib.Nifti1Header()
    header.set_data_shape((20_000, 20_000, 20_000))
    header.set_data_dtype(np.float64)
    header["magic"] = b"n+1"
    header["vox_offset"] = 352
    path = folder / "bad.nii.gz"
    path.write_bytes(gzip.compress(header.binaryblock + b"\0" * 1000))
    return path


def no_image(folder):
    path = folder / "bad.nii.gz"
    path.write_text("not an image", encoding="utf-8")
    return path


def empty_file(folder):
    path = folder / "bad.nii.gz"
    path.touch()
    return path


def no_affine(folder):
    path = save(folder / "bad.nii", head())
    content = bytearray(path.read_bytes())
    content[252:256] = bytes(4)  # qform_code and sform_code: neither says where the voxels lie
    path.write_bytes(content)
    return path


def computed_tomography(folder):
    array = head()
    array[array < 50] = -1000.0  # air in Hounsfield units
    return save(folder / "bad.nii.gz", array)


def no_dicom(folder):
    (folder / "bad").mkdir()
    (folder / "bad" / "notes.txt").write_text("no pictures here", encoding="utf-8")
    return folder / "bad"


@pytest.mark.parametrize(
    "make",
    [
        four_dimensional,
        thick_slices,
        full_of_nan,
        some_nan,
        constant,
        truncated,
        terabytes,
        no_image,
        empty_file,
        no_affine,
        computed_tomography,
        no_dicom,
    ],
    ids=lambda make: make.__name__,
)
def test_an_unusable_head_is_named_with_a_remedy(run, tmp_path, make):
    path = make(tmp_path)
    started = time.process_time()
    said = run(2, t1=path).splitlines()[-1]
    assert path.name in said
    assert said.count(". ") >= 1  # what is wrong, then what to do
    assert time.process_time() - started < 20


def test_an_empty_lesion_is_named_with_a_remedy(run, tmp_path, t1):
    lesion = save(tmp_path / "lesion.nii.gz", np.zeros((90, 108, 90), np.uint8))
    said = run(2, t1=t1, lesion=lesion)
    assert "lesion.nii.gz" in said
    assert "empty" in said


def test_a_lesion_of_a_different_heads_grid_is_named_with_a_remedy(run, tmp_path, t1):
    mask = np.zeros((50, 50, 50), np.uint8)
    mask[20:30, 20:30, 20:30] = 1
    lesion = save(tmp_path / "lesion.nii.gz", mask, shift_mm=900.0)
    assert "lesion.nii.gz" in run(2, t1=t1, lesion=lesion)


def tract(folder, name, x_mm, values=1.0):
    array = np.zeros((60, 60, 60), np.float32)
    centre = round((x_mm + 60) / 2)
    array[centre - 3 : centre + 3, 20:40, 20:40] = values
    return save(folder / name, array)


@pytest.mark.parametrize(
    ("left_mm", "right_mm", "values", "said"),
    [(-20, 20, 50.0, "values from 0 to 1"), (20, -20, 1.0, "other side"), (-20, None, 1.0, "absent.nii.gz")],
)
def test_an_unusable_tract_is_named_with_a_remedy(tmp_path, t1, capsys, left_mm, right_mm, values, said):
    left = tract(tmp_path, "left.nii.gz", left_mm, values)
    right = tmp_path / "absent.nii.gz" if right_mm is None else tract(tmp_path, "right.nii.gz", right_mm)
    out = tmp_path / "out"
    argv = ["case", "--t1", t1, "--age", "63", "--sex", "F", "--tract", left, right, "--out", out]
    assert command_line.main([str(word) for word in argv]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err
    assert not out.exists()


def test_an_existing_case_folder_is_refused_and_untouched(t1, tmp_path, capsys):
    (tmp_path / "out" / "sub-head").mkdir(parents=True)
    (tmp_path / "out" / "sub-head" / "kept").touch()
    argv = ["case", "--t1", str(t1), "--age", "63", "--sex", "F", "--out", str(tmp_path / "out")]
    assert command_line.main(argv) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert os.listdir(tmp_path / "out" / "sub-head") == ["kept"]


def test_an_output_folder_that_cannot_be_is_named(run, tmp_path, t1):
    (tmp_path / "file").touch()
    said = run(2, t1=t1, out=tmp_path / "file" / "below")
    assert "below" in said
    assert "Choose a folder" in said


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a folder nobody can write to")
def test_an_output_folder_nobody_can_write_to_is_named(run, t1):
    said = run(2, t1=t1, out="/proc/self/results")
    assert "/proc/self/results" in said
    assert "Choose a folder" in said


def test_a_full_disk_is_named_with_a_remedy_before_any_work(run, t1, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10**6))
    said = run(2, t1=t1)
    assert "free" in said.lower()
    assert "brain mask" not in said


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (CaseError("No brain was found.", "Look at the image."), 3, "Look at the image."),
        (RegionalBrainAgeError("It failed.", "Try again."), 1, "Try again."),
        (OSError(28, "No space left on device", "/x/y"), 1, "/x/y"),
        (MemoryError(), 1, "memory"),
        (KeyboardInterrupt(), 1, "Cancelled"),
        (ZeroDivisionError("division by zero"), 1, "--debug"),
    ],
)
def test_every_error_becomes_a_sentence_and_an_exit_code(monkeypatch, capsys, t1, tmp_path, error, code, said):
    from RegionalBrainAgeLib.case import pipeline

    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(pipeline, "run_case", fail)
    argv = ["case", "--t1", str(t1), "--age", "63", "--sex", "F", "--out", str(tmp_path)]
    assert command_line.main(argv) == code
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err
    command_line.main([*argv, "--debug"])
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["case", "--threads", "two"], "argument --threads: 'two' is not a whole number of at least 1"),
        (["batch", "--workers", "0"], "argument --workers: '0' is not a whole number of at least 1"),
        (["batch", "--threads", "1.5"], "argument --threads: '1.5' is not a whole number of at least 1"),
        (["batch", "--memory-per-case", "4GB"], "argument --memory-per-case: '4GB' is not a number above 0"),
    ],
)
def test_a_number_of_an_option_that_is_none_is_told_with_what_is_asked_for(words, said, capsys):
    with pytest.raises(SystemExit, match="2"):
        command_line.main(words)
    assert said in capsys.readouterr().err


def test_help_is_quick_and_loads_nothing_heavy():
    code = (
        "import sys; from regional_brain_age.__main__ import build_parser; build_parser(); print(sorted(sys.modules))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True).stdout
    for heavy in ("torch", "numpy", "SimpleITK", "nibabel", "pandas", "matplotlib", "sklearn", "statsmodels"):
        assert f"'{heavy}'" not in loaded


def test_every_command_explains_itself(capsys):
    for command in ("case", "demo"):
        with pytest.raises(SystemExit) as stop:
            command_line.main([command, "--help"])
        assert stop.value.code == 0
        assert "--out" in capsys.readouterr().out
