"""Step 3: packages, the background run, its progress and its end."""

from __future__ import annotations

import shutil
from pathlib import Path

import slicer
from RegionalBrainAgeLib.errors import InputError
from slicer.i18n import tr as _

from ..messages import show_error, told_to_user
from ..work import packages
from ..work.background_run import BackgroundRun, Outcome
from ..work.command_line import command_line, head_file, patient_fields
from ..work.paths import given
from .review_step import review_file


class EstimateStep:
    """Binds the Estimate section."""

    def __init__(self, panel) -> None:
        self.panel, self.ui = panel, panel.ui
        self.run: BackgroundRun | None = None
        self.found: packages.Packages | None = None
        self._case_name = ""
        self._out_dir = Path()
        self.ui.installButton.clicked.connect(self.on_install)
        self.ui.estimateButton.clicked.connect(self.on_estimate)
        self.ui.cancelButton.clicked.connect(self.on_cancel)

    @property
    def running(self) -> bool:
        return self.run is not None and self.run.running

    def enter(self) -> None:
        """Look at the packages again: they may have been installed elsewhere."""
        self.found = packages.look()

    # Packages

    def on_install(self, *_unused) -> None:
        """Say what would be installed, ask, install."""
        self.found = packages.look()
        wheels = given(self.panel.parameters.wheelsFolder)
        if self.found.complete:
            slicer.util.infoDisplay(self.found.sentence(), windowTitle=_("Regional Brain Age"))
        elif self._agreed(wheels):
            with told_to_user(_("The Python packages are not all installed.")):
                packages.install(self.found, wheels)
        self.found = packages.look()
        self.panel.refresh()

    def _agreed(self, wheels: Path | None) -> bool:
        names = [*self.found.missing, *self.found.missing_alone, *self.found.broken]
        names += [] if self.found.torch else ["torch"]
        source = _("from the folder {folder}").format(folder=wheels) if wheels else _("from the network (PyPI)")
        text = _(
            "{count} Python packages will be installed {source} into Slicer's own Python. "
            "This changes this Slicer installation, and nothing of your patients is sent anywhere. Continue?"
        ).format(count=len(names), source=source)
        return slicer.util.confirmOkCancelDisplay(
            text, _("Regional Brain Age - install packages"), detailedText="\n".join(names)
        )

    # The run

    def on_estimate(self, *_unused) -> None:
        """Start the estimate in the background."""
        with told_to_user(_("The estimate could not be started.")):
            self.start()
        self.panel.refresh()

    def start(self) -> None:
        """Start the run.

        Raises
        ------
        InputError : something is missing; packages, patient or review.
        """
        if self.found is None or not self.found.complete:
            self.found = packages.look()
        if not self.found.complete:
            raise InputError(_("Python packages are missing."), self.found.sentence())
        problem = self.panel.patient.problem() or self.panel.review.problem()
        if problem:
            raise InputError(problem)
        self._out_dir, self._case_name = self.panel.working_folder(), self.panel.case_name()
        self._make_working_folder()
        arguments = ["case", *self._inputs(), "--out", str(self._out_dir), "--overwrite"]
        self.ui.logText.plainText = ""
        self.ui.progressBar.value = 0
        self.ui.progressLabel.text = _("Starting {case}").format(case=self._case_name)
        self.run = BackgroundRun(self._on_progress, self._on_finished, self._on_line, launch=self.panel.launch)
        self.run.start(arguments, clean=(self._out_dir, self._case_name))
        self.panel.parameters.estimatePending = True

    def _make_working_folder(self) -> None:
        try:
            self._out_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                _("The working folder {folder} cannot be made: {reason}.").format(
                    folder=self._out_dir, reason=error.strerror
                ),
                _("Choose a folder you may write to."),
            ) from error

    def _inputs(self) -> list[str]:
        parameters = self.panel.parameters
        fields = patient_fields(parameters)
        folder = self.panel.inputs_folder()
        if parameters.t1Volume is not None:
            fields["t1"] = str(head_file(parameters.t1Volume, folder, self._case_name))
            mask = folder / f"{self._case_name}_desc-reviewed_mask.nii.gz"
            if not parameters.noLesion:
                if not mask.exists():
                    raise InputError(_("The approved mask {path} is gone.").format(path=mask), _("Approve it again."))
                fields["lesion"] = str(mask)
        model = given(parameters.modelFolder)
        fields["model"] = str(model) if model else None
        return command_line(fields)

    def resume(self) -> None:
        """A scene was opened that was saved during a run: show the result if it is there by now."""
        parameters = self.panel.parameters
        if not parameters.estimatePending or self.running:
            return
        parameters.estimatePending = False
        folder = self.panel.working_folder() / self.panel.case_name()
        if folder.is_dir():
            self.panel.results.on_estimated(folder, folder.name)
        else:
            self.ui.progressLabel.text = _("The estimate of {case} was interrupted. Estimate again.").format(
                case=folder.name
            )

    def on_cancel(self, *_unused) -> None:
        if self.run is not None:
            self.ui.progressLabel.text = _("Cancelling")
            self.run.cancel()

    def forget(self) -> None:
        """The scene closes: unless a run goes on, what the last one said is of no more use."""
        if not self.running:
            self.ui.progressLabel.text = self.ui.logText.plainText = ""
            self.ui.progressBar.value = 0

    def abandon(self) -> None:
        """The panel goes away: a run under way ends with it."""
        if self.run is not None:
            self.run.abandon()

    def _on_progress(self, percent: int, step: str) -> None:
        self.ui.progressBar.value = percent
        self.ui.progressLabel.text = f"{self._case_name}: {step}"

    def _on_line(self, line: str) -> None:
        self.ui.logText.appendPlainText(line)

    def _on_finished(self, outcome: Outcome) -> None:
        self.run = None
        folder = self._out_dir / self._case_name
        if self.panel.parameters is not None:
            self.panel.parameters.estimatePending = False
        self.ui.progressBar.value = 100 if outcome.succeeded else 0
        if not outcome.succeeded:
            self.ui.progressLabel.text = outcome.message
            if not outcome.cancelled:
                show_error(_("{case} could not be estimated.\n\n{message}").format(
                    case=self._case_name, message=outcome.message), outcome.details)  # fmt: skip
            self.panel.refresh()
            return
        self.ui.progressLabel.text = _("{case} is estimated: {folder}").format(case=self._case_name, folder=folder)
        with told_to_user(_("The review could not be kept with the case.")):
            record = review_file(self._out_dir / "inputs", self._case_name)
            parameters = self.panel.parameters
            if record.exists() and not (parameters is not None and parameters.noLesion):
                shutil.copyfile(record, folder / record.name)
        self.panel.results.on_estimated(folder, self._case_name)
        self.panel.refresh()

    def refresh(self, ready: bool) -> None:
        """Show the state; `ready` tells whether patient and review are done."""
        if self.found is not None:
            self.ui.packagesLabel.text = self.found.sentence()
        self.ui.estimateButton.enabled = ready and not self.running
        self.ui.cancelButton.enabled = self.running
        self.ui.installButton.enabled = not self.running
