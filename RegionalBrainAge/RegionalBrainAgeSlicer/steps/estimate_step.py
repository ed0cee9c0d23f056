"""Step 3: the background run, its progress and its end."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import slicer
from RegionalBrainAgeLib.errors import InputError
from slicer.i18n import tr as _

from ..messages import show_error, told_to_user
from ..parameters import WITHOUT_HEAD
from ..work.background_run import BackgroundRun, Outcome
from ..work.command_line import command_line, head_file, patient_fields
from ..work.paths import given
from .package_step import PackageStep
from .review_step import review_file
from .workspace import Workspace


class EstimateStep:
    """Binds the Estimate section.

    Parameters
    ----------
    problem : says what patient or review still lack, as a sentence; empty when both are done.
    on_estimated : called with (folder, case name, the head's node or None) after a run that ended well.
    """

    def __init__(self, ui, space: Workspace, problem: Callable[[], str], on_estimated: Callable) -> None:
        self.ui, self.space = ui, space
        self._problem, self._on_estimated = problem, on_estimated
        self.run: BackgroundRun | None = None
        self.packages = PackageStep(ui, space)
        self._job: _Job | None = None
        self.ui.estimateButton.clicked.connect(self.on_estimate)
        self.ui.cancelButton.clicked.connect(self.on_cancel)
        self.ui.demoButton.clicked.connect(self.on_demo)

    @property
    def running(self) -> bool:
        """Whether a case is being estimated."""
        return self.run is not None and self.run.running

    def enter(self) -> None:
        """Look at the packages again: they may have been installed elsewhere."""
        self.packages.enter()

    # The run

    def on_estimate(self, *_unused) -> None:
        """Start the estimate in the background."""
        with told_to_user(_("The estimate could not be started.")):
            self.start()
        self.space.changed()

    def on_demo(self, *_unused) -> None:
        """Estimate the demonstration case, which needs no data of the user's."""
        with told_to_user(_("The demonstration could not be started.")):
            self.packages.need()
            out_dir = self.space.working_folder()
            _make_folder(out_dir)
            self._start(_Job("sub-demo", out_dir), ["demo", "--out", str(out_dir)])
        self.space.changed()

    def start(self) -> None:
        """Start the run. A case of that name that is there already is replaced only if the user says so.

        Raises
        ------
        InputError : something is missing; packages, patient or review.
        """
        self.packages.need()
        problem = self._problem()
        if problem:
            raise InputError(problem)
        parameters = self.space.parameters
        out_dir, name = self.space.working_folder(), self.space.case_name()
        _make_folder(out_dir)
        there = (out_dir / name).exists()
        if there and not self._may_replace(out_dir / name):
            return
        folder = self.space.inputs_folder()
        inputs = self._inputs(folder, name)
        record = review_file(folder, name)
        used = parameters.t1Volume is not None and not parameters.noLesion and record.exists()
        if parameters.t1Volume is None:
            parameters.factsOf = WITHOUT_HEAD
        self._start(
            _Job(name, out_dir, parameters.t1Volume, record.read_bytes() if used else None),
            ["case", *inputs, "--out", str(out_dir), *(["--overwrite"] if there else [])],
        )
        parameters.estimateRunning = name

    def _may_replace(self, folder: Path) -> bool:
        text = _("The folder {folder} holds an estimate already. Replace it?").format(folder=folder)
        return slicer.util.confirmOkCancelDisplay(text, _("Regional Brain Age - estimate"))

    def _start(self, job: _Job, arguments: list[str]) -> None:
        self._job = job
        self.ui.logText.plainText = ""
        self.ui.progressBar.value = 0
        self.ui.progressLabel.text = _("Starting {case}").format(case=job.name)
        self.run = BackgroundRun(self._on_progress, self._on_finished, self._on_line, launch=self.space.launch)
        self.run.start(arguments, clean=(job.out_dir, job.name))

    def _inputs(self, folder: Path, name: str) -> list[str]:
        parameters = self.space.parameters
        fields = patient_fields(parameters)
        if parameters.t1Volume is not None:
            fields["t1"] = str(head_file(parameters.t1Volume, folder, name))
            if not parameters.noLesion:
                fields["lesion"] = str(_approved_mask(folder, name, parameters.approvedMaskSha256))
        model = given(parameters.modelFolder)
        fields["model"] = str(model) if model else None
        return [*command_line(fields), "--keep-paths"]  # the case is opened again with its head

    def resume(self) -> None:
        """A scene was opened that was saved during a run: show the result if it is there by now."""
        parameters = self.space.parameters
        name = parameters.estimateRunning
        if not name or self.running:
            return
        parameters.estimateRunning = ""
        folder = self.space.working_folder() / name
        if folder.is_dir():
            self._on_estimated(folder, name, None)
        else:
            self.ui.progressLabel.text = _("The estimate of {case} was interrupted. Estimate again.").format(case=name)

    def on_cancel(self, *_unused) -> None:
        """Ask the estimation to end."""
        if self.run is not None:
            self.ui.progressLabel.text = _("Cancelling")
            self.run.cancel()

    def forget(self) -> None:
        """The scene closes: unless a run goes on, what the last one said is of no more use."""
        if not self.running:
            self.ui.progressLabel.text = self.ui.logText.plainText = ""
            self.ui.progressBar.value = 0

    def abandon(self) -> None:
        """The panel goes away: what is under way ends with it."""
        self.packages.abandon()
        if self.run is not None:
            self.run.abandon()

    def _on_progress(self, percent: int, step: str) -> None:
        self.ui.progressBar.value = percent
        self.ui.progressLabel.text = f"{self._job.name}: {step}"

    def _on_line(self, line: str) -> None:
        self.ui.logText.appendPlainText(line)

    def _on_finished(self, outcome: Outcome) -> None:
        self.run, job = None, self._job
        if self.space.parameters is not None:
            self.space.parameters.estimateRunning = ""
        self.ui.progressBar.value = 100 if outcome.succeeded else 0
        if not outcome.succeeded:
            self.ui.progressLabel.text = outcome.message
            if not outcome.cancelled:
                show_error(_("{case} could not be estimated.\n\n{message}").format(
                    case=job.name, message=outcome.message), outcome.details)  # fmt: skip
            # A package that breaks only when it is used is found now, and named in the panel.
            self.packages.look_closely()
            self.space.changed()
            return
        folder = job.out_dir / job.name
        self.ui.progressLabel.text = _("{case} is estimated: {folder}").format(case=job.name, folder=folder)
        with told_to_user(_("The review could not be kept with the case.")):
            if job.review is not None:
                review_file(folder, job.name).write_bytes(job.review)
        self._on_estimated(folder, job.name, job.head)
        self.space.changed()

    def refresh(self, ready: bool) -> None:
        """Show the state; `ready` tells whether patient and review are done."""
        self.packages.refresh(self.running)
        self.ui.estimateButton.enabled = ready and not self.running
        self.ui.demoButton.enabled = not self.running
        self.ui.cancelButton.enabled = self.running


@dataclass(frozen=True)
class _Job:
    """What a run was started with; the panel may show another patient when it ends."""

    name: str
    out_dir: Path
    head: object = None
    review: bytes | None = None


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            _("The working folder {folder} cannot be made: {reason}.").format(folder=folder, reason=error.strerror),
            _("Choose a folder you may write to."),
        ) from error


def _approved_mask(folder: Path, name: str, approved_sha256: str) -> Path:
    """The file that was approved, and no other that took its name since."""
    mask = folder / f"{name}_desc-reviewed_mask.nii.gz"
    if not mask.exists():
        raise InputError(_("The approved mask {path} is gone.").format(path=mask), _("Approve it again."))
    if hashlib.sha256(mask.read_bytes()).hexdigest() != approved_sha256:
        raise InputError(
            _("The mask {path} is not the one that was approved.").format(path=mask), _("Approve the mask again.")
        )
    return mask
