"""Settings of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...case.case import REPORTS
from ...errors import InputError
from ..lists.bids import Selection
from .local_pool import PEAK_MEMORY_MB


@dataclass(frozen=True)
class BatchOptions:
    """How a batch is computed.

    Parameters
    ----------
    model, scheme : folder and file; None for the shipped ones.
    calibration : from local controls, for cases that name none themselves.
    threads : for each case; its results do not depend on the number.
    workers : most cases at a time, or SLURM jobs; None for as many as there are cores for (`threads` each), one job.
    memory_per_case_mb : no more cases are started than fit by this.
    resume : skip cases that are complete and unchanged.
    overwrite : compute everything again where there are results.
    require_lesion : in a BIDS dataset, set heads without a lesion mask aside.
    derivatives : in a BIDS dataset, the folder below ``derivatives`` whose masks are used; all if None.
    selection : in a BIDS dataset, which people, sessions and T1s; all if None.
    scheduler : address of a running Dask scheduler.
    keys : folder of keys that the scheduler was started with (`cluster_keys`).
    slurm : start Dask workers as SLURM jobs, as many as `workers`.
    slurm_profile : YAML file with settings of dask_jobqueue.SLURMCluster.
    freesurfer_thickness : whether parcel tables hold thickness of FreeSurfer rather than of this software's T1 route.
    report : "static", or "interactive" for reports with a viewer of the head inside (some 5 MB more for each case).
    dicom : write DICOM results too; cases whose T1 did not come as DICOM fail.
    keep_paths : write full paths of the inputs into the cases' files; otherwise file names.
    show_bar : draw a bar on stderr.

    Raises
    ------
    InputError : threads, workers, memory_per_case_mb or report is none that can be.
    """

    model: Path | None = None
    scheme: Path | None = None
    calibration: Path | None = None
    threads: int = 1
    workers: int | None = None
    memory_per_case_mb: float = PEAK_MEMORY_MB
    resume: bool = False
    overwrite: bool = False
    require_lesion: bool = False
    derivatives: str | None = None
    selection: Selection | None = None
    scheduler: str | None = None
    keys: Path | None = None
    slurm: bool = False
    slurm_profile: Path | None = None
    freesurfer_thickness: bool = True
    report: str = "static"
    dicom: bool = False
    keep_paths: bool = False
    show_bar: bool = True

    def __post_init__(self) -> None:
        for name in ("threads", "workers"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise InputError(f"{name} is {value!r}.", "Give a whole number above 0.")
        if not self.memory_per_case_mb > 0:
            raise InputError(f"memory_per_case_mb is {self.memory_per_case_mb!r}.", "Give megabytes above 0.")
        if self.report not in REPORTS:
            raise InputError(f"report is {self.report!r}.", f"Give {' or '.join(REPORTS)}.")
