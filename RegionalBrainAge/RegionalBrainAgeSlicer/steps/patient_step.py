"""Step 1: the head and the patient's few facts."""

from __future__ import annotations

from pathlib import Path

import qt
import slicer
from RegionalBrainAgeLib.case.case import case_from_text, id_from_path
from RegionalBrainAgeLib.errors import InputError
from slicer.i18n import tr as _

from ..messages import told_to_user
from ..scene import case_nodes
from ..scene.dicom_facts import UIDS_ATTRIBUTE, dicom_facts
from ..scene.patient_facts import follow_head, show_lesion_of
from ..scene.slice_views import show_head
from ..work.command_line import NOT_GIVEN, patient_fields, refuse_transformed
from ..work.file_checks import refuse_damaged
from .workspace import Workspace

_VOLUME_FILES = "Volumes (*.nii *.nii.gz *.mgz *.mgh *.nrrd *.nhdr)"


class PatientStep:
    """Binds the Patient section."""

    def __init__(self, ui, space: Workspace) -> None:
        self.ui, self.space = ui, space
        self._checked: dict[tuple, str] = {}
        self._from_dicom = ""
        self.ui.loadT1Button.clicked.connect(self.on_load)
        self.ui.dicomButton.clicked.connect(self.on_dicom)

    def on_load(self, *_unused) -> None:
        """Choose a file and show it."""
        path = qt.QFileDialog.getOpenFileName(slicer.util.mainWindow(), _("Open T1 head"), "", _VOLUME_FILES)
        if path:
            self.load(Path(path))

    def load(self, path: Path) -> None:
        """Open a head from a file and make it the panel's patient. Facts of another head stay with that head."""
        with told_to_user(_("The head could not be opened.")):
            self.space.parameters.t1Volume = read_volume(path)
        self.space.changed()

    def on_dicom(self, *_unused) -> None:
        """Open Slicer's DICOM browser."""
        slicer.util.selectModule("DICOM")

    # Another head is another patient

    def follow_head(self) -> bool:
        """Bring fields and views up to the head that is chosen. Returns whether the patient changed."""
        parameters = self.space.parameters
        head = parameters.t1Volume
        if head is not None and case_nodes.is_made(head):
            parameters.t1Volume = None
        before = parameters.factsHead
        changed = follow_head(parameters)
        head = parameters.t1Volume
        if head is not None and (changed or before is not parameters.factsHead):
            self._fill_from(head)
            show_head(head, parameters.caseShown, parameters.overlayOpacityPercent / 100.0)
        if changed:
            show_lesion_of(parameters)
        return changed

    def _fill_from(self, head) -> None:
        """What file name and DICOM tags say, where the user has said nothing."""
        parameters = self.space.parameters
        facts = dicom_facts(head, getattr(slicer, "dicomDatabase", None))
        storage = head.GetStorageNode()
        file = storage.GetFullNameFromFileName() if storage is not None else ""
        with slicer.util.NodeModify(parameters):
            if not parameters.caseId and file and not head.GetAttribute(UIDS_ATTRIBUTE):
                parameters.caseId = id_from_path(Path(file))
            if parameters.ageYears == 0.0 and facts.age_years is not None:
                parameters.ageYears = facts.age_years
            if parameters.sex == NOT_GIVEN and facts.sex is not None:
                parameters.sex = facts.sex
        said = [
            _("{age:g} years").format(age=facts.age_years) if facts.age_years is not None else "",
            facts.sex or "",
            _("scanned {date}").format(date=facts.scan_date.isoformat()) if facts.scan_date else "",
        ]
        self._from_dicom = ", ".join(word for word in said if word)

    # What is missing

    def problem(self) -> str:
        """What is still missing or wrong, as a sentence; empty when the step is done."""
        parameters = self.space.parameters
        fields = patient_fields(parameters)
        volume = parameters.t1Volume
        try:
            if volume is None and fields["freesurfer"] is None:
                return _("Choose a T1 head, or give a FreeSurfer folder (section Advanced).")
            if volume is not None:
                refuse_transformed(volume)
                self._refuse_unusable(volume)
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

    def _refuse_unusable(self, volume) -> None:
        refuse_unusable(volume)
        storage = volume.GetStorageNode()
        path = Path((storage.GetFullNameFromFileName() if storage is not None else "") or "")
        if not path.is_file() or volume.GetModifiedSinceRead():
            return
        # A file is read once and again only when it changed.
        key = (str(path), path.stat().st_mtime_ns, path.stat().st_size)
        if key not in self._checked:
            try:
                refuse_damaged(path)
                self._checked[key] = ""
            except InputError as error:
                self._checked[key] = f"{error.what} {error.remedy}"
        if self._checked[key]:
            raise InputError(self._checked[key])

    def refresh(self) -> bool:
        """Show the state; returns whether the step is done."""
        problem = self.problem()
        fields = patient_fields(self.space.parameters)
        lines = [problem or _("Ready for the lesion review.")]
        if self._from_dicom and self.space.parameters.t1Volume is not None:
            lines.append(_("From the DICOM tags: {facts}.").format(facts=self._from_dicom))
        if fields["freesurfer"]:
            lines.append(_("Measured by FreeSurfer: {folder}").format(folder=fields["freesurfer"]))
        if fields["calibration"]:
            lines.append(_("Calibration: {file}").format(file=fields["calibration"]))
        self.ui.patientMessage.text = "\n".join(lines)
        return not problem


def read_volume(path: Path):
    """A volume node from a file, hidden from the views.

    Raises
    ------
    InputError : the file does not exist, is cut off, or is not one volume.
    """
    if not Path(path).exists():
        raise InputError(_("The file {path} does not exist.").format(path=path), _("Check the path."))
    refuse_damaged(path)
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
    components = image.GetNumberOfScalarComponents()
    if components != 1:
        raise InputError(
            _("{name} has {count} values per voxel: it is a 4D series or a colour image.").format(
                name=name, count=components
            ),
            _("Choose one T1-weighted volume; export or split the series first."),
        )
    low, high = image.GetScalarRange()
    if low == high:
        raise InputError(_("{name} has the same value everywhere.").format(name=name), _("Choose a T1-weighted head."))
