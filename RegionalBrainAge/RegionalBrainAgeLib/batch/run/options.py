"""Settings of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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
