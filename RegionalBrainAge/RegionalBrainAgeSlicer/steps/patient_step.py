"""Step 1: the head and the patient's few facts."""

from __future__ import annotations

from pathlib import Path

import qt
import slicer
from RegionalBrainAgeLib.case.case import case_from_text, id_from_path
from RegionalBrainAgeLib.errors import InputError
from slicer.i18n import tr as _

from ..messages import told_to_user
from ..work.command_line import patient_fields, refuse_transformed

_VOLUME_FILES = "Volumes (*.nii *.nii.gz *.mgz *.mgh *.nrrd *.nhdr)"


class PatientStep:
    """Binds the Patient section. `panel` gives `ui`, `parameters` and `refresh()`."""

    def __init__(self, panel) -> None:
        self.panel, self.ui = panel, panel.ui
        self.ui.loadT1Button.clicked.connect(self.on_load)
        self.ui.dicomButton.clicked.connect(self.on_dicom)

    def on_load(self, *_unused) -> None:
        """Choose a file and show it."""
        path = qt.QFileDialog.getOpenFileName(slicer.util.mainWindow(), _("Open T1 head"), "", _VOLUME_FILES)
        if path:
            self.load(Path(path))

    def load(self, path: Path) -> None:
        """Open a head from a file, name the case after it if it has no name, and show it."""
        with told_to_user(_("The head could not be opened.")):
            volume = read_volume(path)
            parameters = self.panel.parameters
            parameters.t1Volume = volume
            if not parameters.caseId:
                parameters.caseId = id_from_path(path)
            slicer.util.setSliceViewerLayers(background=volume, fit=True)
        self.panel.refresh()

    def on_dicom(self, *_unused) -> None:
        slicer.util.selectModule("DICOM")

    def problem(self) -> str:
        """What is still missing or wrong, as a sentence; empty when the step is done."""
        parameters = self.panel.parameters
        fields = patient_fields(parameters)
        volume = parameters.t1Volume
        try:
            if volume is None and fields["freesurfer"] is None:
                return _("Choose a T1 head, or give a FreeSurfer folder.")
            if volume is not None:
                refuse_transformed(volume)
                refuse_unusable(volume)
            if not fields["id"]:
                return _("Give a case id.")
            # Said here in the panel's words; the library's name options of the command line.
            if not fields["age"]:
                return _("The age is missing. Give the age at the scan in years.")
            if not fields["sex"]:
                return _("The sex is missing. Choose F or M.")
            stand_in = str(Path(__file__)) if volume is not None else None
            case_from_text({**fields, "days_post_stroke": fields["days"], "t1": stand_in})
        except InputError as error:
            return f"{error.what} {error.remedy}"
        return ""

    def refresh(self) -> bool:
        """Show the state; returns whether the step is done."""
        problem = self.problem()
        self.ui.patientMessage.text = problem or _("Ready for the lesion review.")
        return not problem


def read_volume(path: Path):
    """A volume node from a file, hidden from the views.

    Raises
    ------
    InputError : the file does not exist or is not a volume.
    """
    if not Path(path).exists():
        raise InputError(_("The file {path} does not exist.").format(path=path), _("Check the path."))
    try:
        # Without "singleFile" the reader may join files of similar names into one volume.
        return slicer.util.loadVolume(str(path), {"show": False, "singleFile": True})
    except RuntimeError as error:
        raise InputError(
            _("The file {path} cannot be read as a volume.").format(path=path),
            _("Give a NIfTI, MGZ or NRRD file, or use the DICOM module."),
        ) from error


def refuse_unusable(volume) -> None:
    """Refuse at once what the estimate would refuse later: several volumes in one, or one value everywhere."""
    image = volume.GetImageData()
    name = volume.GetName()
    if image is None or min(image.GetDimensions()) < 2:
        raise InputError(_("{name} is not a volume.").format(name=name), _("Choose a T1-weighted head."))
    if image.GetNumberOfScalarComponents() != 1:
        raise InputError(_("{name} has several values per voxel.").format(name=name), _("Choose a T1-weighted head."))
    low, high = image.GetScalarRange()
    if low == high:
        raise InputError(_("{name} has the same value everywhere.").format(name=name), _("Choose a T1-weighted head."))
