"""Where the tasks of a batch run: this machine, a Dask cluster, SLURM."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from ...errors import InputError
from .batch import Execute
from .local_pool import run_local, usable_cores
from .options import BatchOptions


@contextlib.contextmanager
def executor(options: BatchOptions, out_dir: Path) -> Iterator[Execute]:
    """What runs the tasks: this machine, a Dask cluster, or SLURM jobs that end with the block.

    Raises
    ------
    InputError : the cluster cannot be reached, or Dask is not installed.
    """
    if options.scheduler is None and not options.slurm:
        workers = options.workers or max(1, usable_cores() // options.threads)
        yield partial(run_local, workers=workers, peak_memory_mb=options.memory_per_case_mb)
        return
    lacking = [name for name in ("distributed", "dask_jobqueue", "cryptography") if find_spec(name) is None]
    if lacking:
        raise InputError(
            f"The Python package {lacking[0]} is not installed.",
            "Install it: pip install 'regional-brain-age[cluster]'",
        )
    from . import dask_pool as dask_runner

    client = (
        dask_runner.slurm_client(options.workers or 1, out_dir, options.slurm_profile)
        if options.scheduler is None
        else dask_runner.connect(options.scheduler, options.keys)
    )
    with client as connected:
        yield partial(dask_runner.run_on_dask, client=connected)
