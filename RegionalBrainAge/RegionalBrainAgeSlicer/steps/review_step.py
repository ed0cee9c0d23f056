"""Step 2: the lesion mask, from a proposal, a file or by hand; corrected in the segment editor; approved by name."""

from __future__ import annotations

import datetime
import hashlib
import json
from pathlib import Path

import qt
import slicer
from RegionalBrainAgeLib.errors import InputError
from slicer.i18n import tr as _

from ..messages import show_error, told_to_user
from ..scene import case_nodes
from ..scene.label_files import box_around, label_node, read_labels
from ..scene.lesion_measures import LesionMeasures, RegisteredHead, head_middle_mm, measure
from ..scene.lesion_segment import fill_lesion_segment, new_lesion_segmentation, set_lesion_voxels
from ..scene.mask_files import read_mask_on_head
from ..scene.slice_views import jump_to_voxels
from ..work.background_run import BackgroundRun, Outcome
from ..work.chunked_work import Steps, TurnByTurn
from ..work.command_line import head_file, lesion_file, lesion_voxels, refuse_transformed
from .workspace import Workspace

EFFECTS = ("Paint", "Draw", "Erase", "Level tracing", "Threshold", "Smoothing", "Islands", "Margin", "Scissors")
EDITOR_TAG = "RegionalBrainAge.Editor"
# Strokes come faster than the measures need to follow.
_MEASURE_DELAY_MS = 120
_NAMES_ATTRIBUTE = "RegionalBrainAge.Names"
# What a registration left, kept with the head; see case_nodes.attach.
_REGIONS, _MIDLINE = "reviewRegions", "reviewMidline"
_WORDS = {"L": "left", "R": "right", "bilateral": "both sides", "none": "none"}


class ReviewStep:
    """Binds the Lesion review section and owns the embedded segment editor."""

    def __init__(self, ui, space: Workspace) -> None:
        self.ui, self.space = ui, space
        self.run: BackgroundRun | None = None
        self._work: TurnByTurn | None = None
        self.measures: LesionMeasures | None = None
        self._observed = None
        self._middle: tuple[str, float] = ("", 0.0)
        self._head: tuple[str, RegisteredHead] | None = None
        self._measured_head = ""
        self.editor = slicer.qMRMLSegmentEditorWidget()
        self.editor.setMaximumNumberOfUndoStates(20)
        self.editor.setEffectNameOrder(list(EFFECTS))
        self.editor.unorderedEffectsVisible = False
        self.editor.segmentationNodeSelectorVisible = False
        self.editor.sourceVolumeNodeSelectorVisible = False
        self.editor.switchToSegmentationsButtonVisible = False
        self.editor.addRemoveSegmentButtonsVisible = False
        self.ui.editorHolder.layout().addWidget(self.editor)
        self.timer = qt.QTimer()
        self.timer.setSingleShot(True)
        self.timer.timeout.connect(self.on_measure)
        self.ui.proposeButton.clicked.connect(self.on_propose)
        self.ui.loadMaskButton.clicked.connect(self.on_load_mask)
        self.ui.drawButton.clicked.connect(self.on_draw)
        self.ui.approveButton.clicked.connect(self.on_approve)

    @property
    def busy(self) -> bool:
        """Whether a proposal is being computed or taken over."""
        return self.run is not None or (self._work is not None and self._work.running)

    @property
    def begun(self) -> bool:
        """Whether there is a mask, or the word that there is no lesion."""
        parameters = self.space.parameters
        return parameters.lesionSegmentation is not None or parameters.noLesion

    # The editor's life

    def enter(self) -> None:
        """The panel is shown: the editor gets its node and shortcuts."""
        self.editor.setMRMLScene(slicer.mrmlScene)
        node = slicer.mrmlScene.GetSingletonNode(EDITOR_TAG, "vtkMRMLSegmentEditorNode")
        if node is None:
            node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSegmentEditorNode")
            node.UnRegister(None)
            node.SetSingletonTag(EDITOR_TAG)
            node = slicer.mrmlScene.AddNode(node)
        self.editor.setMRMLSegmentEditorNode(node)
        self.editor.installKeyboardShortcuts()
        self._show_in_editor()

    def exit(self) -> None:
        """The panel is left, or the scene closes."""
        self.editor.setActiveEffect(None)
        self.editor.uninstallKeyboardShortcuts()
        self.editor.removeViewObservations()

    def release(self) -> None:
        """Let go of the scene's nodes; a proposal under way would come too late."""
        if self.run is not None:
            self.run.abandon()
            self.run = None
        self.ui.proposalNote.text = ""
        if self._work is not None:
            self._work.stop()
        self.exit()
        self.editor.setSegmentationNode(None)
        self._observe(None)
        self.measures = self._head = None

    def patient_changed(self) -> None:
        """Another head was chosen: what was being taken over belongs to the one before."""
        if self._work is not None:
            self._work.stop()
        self.ui.proposalNote.text = ""

    def _show_in_editor(self) -> None:
        parameters = self.space.parameters
        if parameters is None or self.editor.mrmlSegmentEditorNode() is None:
            return
        segmentation = parameters.lesionSegmentation
        if self.editor.segmentationNode() is not segmentation:
            self.editor.setSegmentationNode(segmentation)
        if segmentation is not None and self.editor.sourceVolumeNode() is not parameters.t1Volume:
            self.editor.setSourceVolumeNode(parameters.t1Volume)
        self.editor.enabled = segmentation is not None

    # Where the mask comes from

    def on_draw(self, *_unused) -> None:
        """Begin with an empty mask."""
        with told_to_user(_("The mask could not be made.")):
            self._use(self._new_segmentation(), "drawn")
            self.editor.setActiveEffectByName("Paint")

    def on_load_mask(self, *_unused) -> None:
        """Ask for the file of a lesion mask and load it."""
        path = qt.QFileDialog.getOpenFileName(
            slicer.util.mainWindow(), _("Open lesion mask"), "", "Masks (*.nii *.nii.gz *.mgz *.nrrd)"
        )
        if path:
            self.load_mask(Path(path))

    def load_mask(self, path: Path) -> None:
        """Take a mask file (any grid in the head's space) as the lesion."""
        with told_to_user(_("The mask could not be opened.")):
            self._refuse_no_head()
            voxels, warnings = read_mask_on_head(path, self.space.parameters.t1Volume)
            segmentation = self._new_segmentation()
            set_lesion_voxels(segmentation, voxels, self.space.parameters.t1Volume)
            self._use(segmentation, f"file {path.name}")
            self.ui.proposalNote.text = "\n".join(warnings)

    def on_propose(self, *_unused) -> None:
        """Compute a proposal in the background."""
        with told_to_user(_("The proposal could not be started.")):
            parameters, folder, name = self.space.parameters, self.space.inputs_folder(), self.space.case_name()
            volume, case_id = parameters.t1Volume, parameters.caseId
            self.run = BackgroundRun(
                self._on_progress,
                lambda outcome: self._on_proposed(outcome, volume, folder / name),
                launch=self.space.launch,
            )
            self.ui.proposalNote.text = _("Computing a proposal")
            self.run.start(["propose", str(head_file(volume, folder, name)), str(folder), case_id])
        self.space.changed()

    def _on_progress(self, percent: int, step: str) -> None:
        self.ui.proposalNote.text = _("Computing a proposal: {step} ({percent} %)").format(step=step, percent=percent)

    def _on_proposed(self, outcome: Outcome, volume, stem: Path) -> None:
        self.run = None
        parameters = self.space.parameters
        if not outcome.succeeded:
            self.ui.proposalNote.text = outcome.message
            if not outcome.cancelled:
                show_error(
                    _("No mask could be proposed.\n\n{message}").format(message=outcome.message), outcome.details
                )
        elif parameters is None or parameters.t1Volume is not volume:
            self.ui.proposalNote.text = _("The head was changed meanwhile. Propose again.")
        else:
            self._work = TurnByTurn(self._take_over(stem), self._taken_over)
        self.space.changed()

    def _take_over(self, stem: Path) -> Steps:
        """Registration and proposed mask from the files of a background run."""
        head, case_id = self.space.parameters.t1Volume, self.space.parameters.caseId.removeprefix("sub-")
        note = json.loads(Path(f"{stem}_proposal.json").read_text(encoding="utf-8"))
        names = Path(f"{stem}_regions.json").read_text(encoding="utf-8")
        for role, ending, said in (
            (_REGIONS, "regions", _("review regions")),
            (_MIDLINE, "midline", _("review midline")),
        ):
            labels = yield from read_labels(Path(f"{stem}_{ending}.nii.gz"))
            labels = labels.cut(box_around([labels.array]))
            yield said
            node = label_node(labels, f"sub-{case_id} {said}")
            node.SetAttribute(_NAMES_ATTRIBUTE, names)
            case_nodes.attach(head, role, node)
            case_nodes.file_under(node, case_id)
            yield said
        self._head = None
        self._registered_head()
        yield "sizes"
        self.ui.proposalNote.text = note["note"]
        if note["found"]:
            labels = yield from read_labels(Path(f"{stem}_proposal.nii.gz"))
            labels = labels.cut(box_around([labels.array]))
            yield "proposal"
            self._use_mask(label_node(labels, "proposal"), "proposal")
        else:
            self.on_measure()

    def _taken_over(self, error: Exception | None) -> None:
        if error is not None:
            with told_to_user(_("The proposal could not be shown.")):
                raise error
        self.space.changed()

    def _new_segmentation(self):
        self._refuse_no_head()
        parameters = self.space.parameters
        return new_lesion_segmentation(f"{self.space.case_name()} lesion", parameters.t1Volume)

    def _refuse_no_head(self) -> None:
        head = self.space.parameters.t1Volume
        if head is None:
            raise InputError(_("There is no T1 head."), _("Choose one in the Patient step."))
        refuse_transformed(head)

    def _use_mask(self, volume, source: str) -> None:
        """Take a mask volume, which is removed, as the lesion."""
        segmentation = self._new_segmentation()
        try:
            fill_lesion_segment(segmentation, volume, self.space.parameters.t1Volume)
        except InputError:
            case_nodes.remove_with_parts(segmentation)
            raise
        finally:
            case_nodes.remove_with_parts(volume)
        self._use(segmentation, source)

    def _use(self, segmentation, source: str) -> None:
        parameters = self.space.parameters
        old = parameters.lesionSegmentation
        with slicer.util.NodeModify(parameters):
            parameters.lesionSegmentation = segmentation
            parameters.maskSource = source
            parameters.noLesion = False
            parameters.approvedBy = parameters.approvedAt = parameters.approvedMaskSha256 = ""
        if old is not None:
            case_nodes.remove_with_parts(old)
        for node in (segmentation, parameters.t1Volume):
            case_nodes.file_under(node, parameters.caseId.removeprefix("sub-"))
        jump_to_voxels(lesion_voxels(segmentation, parameters.t1Volume), parameters.t1Volume)
        self.on_measure()
        self.space.changed()

    # Measures

    def _observe(self, segmentation) -> None:
        if self._observed is not None:
            _node, tags = self._observed
            for subject, tag in tags:
                subject.RemoveObserver(tag)
            self._observed = None
        if segmentation is not None:
            inner = segmentation.GetSegmentation()
            events = (slicer.vtkSegmentation.SourceRepresentationModified, slicer.vtkSegmentation.SegmentRemoved)
            self._observed = (segmentation, [(inner, inner.AddObserver(event, self._on_painted)) for event in events])

    def _on_painted(self, *_unused) -> None:
        parameters = self.space.parameters
        if parameters is not None and parameters.approvedBy:
            # What was approved is no longer what is there.
            with slicer.util.NodeModify(parameters):
                parameters.approvedBy = parameters.approvedAt = parameters.approvedMaskSha256 = ""
        self.timer.start(_MEASURE_DELAY_MS)

    def on_measure(self) -> None:
        """Bring volume, side and loads up to date."""
        parameters = self.space.parameters
        if parameters is None or parameters.lesionSegmentation is None or parameters.t1Volume is None:
            self.measures = None
        else:
            volume = parameters.t1Volume
            if self._middle[0] != volume.GetID():
                self._middle = (volume.GetID(), head_middle_mm(volume))
            self.measures = measure(parameters.lesionSegmentation, volume, self._middle[1], self._registered_head())
        self._show_measures()

    def _registered_head(self) -> RegisteredHead | None:
        head = self.space.parameters.t1Volume
        labels, zones = case_nodes.attached(head, _REGIONS), case_nodes.attached(head, _MIDLINE)
        if labels is None or zones is None:
            return None
        if self._head is None or self._head[0] != labels.GetID():
            names = json.loads(labels.GetAttribute(_NAMES_ATTRIBUTE) or "{}")
            self._head = (labels.GetID(), RegisteredHead(labels, zones, names))
        return self._head[1]

    def _show_measures(self) -> None:
        measures = self.measures
        if measures is None:
            self.ui.measuresLabel.text = ""
            return
        text = _("Lesion {volume:.1f} ml, side: {side}.").format(volume=measures.volume_ml, side=_WORDS[measures.side])
        if not measures.registered:
            text += " " + _("The side is approximate, and loads are known, only after a proposal or an estimate.")
        elif measures.loads:
            listed = ", ".join(f"{name} {100 * load:.1f} %" for name, load in measures.loads[:5])
            text += " " + _("Largest loads: {loads}.").format(loads=listed)
        self.ui.measuresLabel.text = text

    # Approval

    def on_approve(self, *_unused) -> None:
        """Write the mask and who approved it; the estimate uses exactly that file."""
        with told_to_user(_("The mask could not be approved.")):
            parameters = self.space.parameters
            reviewer = parameters.reviewer.strip()
            folder, name = self.space.inputs_folder(), self.space.case_name()
            path = lesion_file(parameters.lesionSegmentation, parameters.t1Volume, folder, name)
            now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            mask_sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            record = {
                "reviewer": reviewer,
                "approved_at": now,
                "mask_source": parameters.maskSource,
                "mask_sha256": mask_sha256,
                "lesion_volume_ml": round(self.measures.volume_ml, 3) if self.measures else None,
            }
            review_file(folder, name).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
            with slicer.util.NodeModify(parameters):
                parameters.approvedBy, parameters.approvedAt = reviewer, now
                parameters.approvedMaskSha256 = mask_sha256
            self.editor.setActiveEffect(None)
        self.space.changed()

    def _head_id(self) -> str:
        head = self.space.parameters.t1Volume
        return head.GetID() if head is not None else ""

    def problem(self) -> str:
        """What is still missing, as a sentence; empty when the step is done."""
        parameters = self.space.parameters
        if parameters.noLesion or parameters.t1Volume is None:
            return ""
        if parameters.lesionSegmentation is None:
            return _("Propose, open or draw a mask, or say that there is no lesion.")
        if not parameters.approvedBy and not parameters.reviewer.strip():
            return _("Unreviewed: correct the mask where needed, write your name as reviewer, then approve it.")
        if not parameters.approvedBy:
            return _("Unreviewed: correct the mask where needed, then approve it under your name.")
        return ""

    def refresh(self, possible: bool) -> bool:
        """Show the state; `possible` says whether the patient is known. Returns whether the step is done."""
        parameters = self.space.parameters
        segmentation = parameters.lesionSegmentation
        if (
            self._observed[0] if self._observed else None
        ) is not segmentation or self._measured_head != self._head_id():
            self._measured_head = self._head_id()
            self._observe(segmentation)
            self.on_measure()
        self._show_in_editor()
        busy = self.busy
        has_head = possible and parameters.t1Volume is not None and not parameters.noLesion and not busy
        for button in (self.ui.proposeButton, self.ui.loadMaskButton, self.ui.drawButton):
            button.enabled = has_head
        self.ui.editorHolder.enabled = segmentation is not None and not parameters.noLesion
        self.ui.approveButton.enabled = (
            possible
            and segmentation is not None
            and not parameters.noLesion
            and bool(parameters.reviewer.strip())
            and not busy
        )
        problem = self.problem()
        done = _("Approved by {name}, {time}.").format(name=parameters.approvedBy, time=parameters.approvedAt)
        self.ui.reviewMessage.text = problem or (done if parameters.approvedBy else _("No lesion mask is used."))
        return not problem


def review_file(folder: Path, name: str) -> Path:
    """Where the record of the review lies, beside the mask and later in the case folder."""
    return folder / f"{name}_desc-lesion_review.json"
