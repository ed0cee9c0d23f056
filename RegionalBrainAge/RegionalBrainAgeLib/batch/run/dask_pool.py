"""Runs the same tasks on a Dask cluster, or on SLURM through dask-jobqueue.

Each task starts the case's process on the machine it lands on; the result comes back as files below the output folder,
which all machines must share, and only the name of the case travels. A Dask worker that dies mid-case is survived: Dask
gives its task to another one.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from dask.distributed import Client, Future

from ...errors import Cancelled, InputError
from ...files.atomic_folder import make_folder
from ...files.input_file import parsing, plain_file
from .case_process import CaseProcess
from .case_records import FAILED, GO_ON, Record, Store
from .cluster_keys import make_keys, security_of
from .local_pool import Update
from .task import Task, task_from_line

_POLL_S = 0.5
_FILE_SYSTEM_DELAY_S = 30.0
_CONNECT_TIMEOUT_S = 15.0
_WORKER_TIMEOUT_S = 3600.0
_STOP_TIMEOUT_S = 20.0
HEARTBEAT_S = 5.0
SILENCE_S = 60.0
# Settings of dask_jobqueue.SLURMCluster when no profile is given: one case per job.
DEFAULT_PROFILE: dict[str, Any] = {"cores": 1, "processes": 1, "memory": "5GB", "walltime": "02:00:00"}


def connect(scheduler: str, keys: Path | None) -> Client:
    """A client of a running scheduler, encrypted.

    Parameters
    ----------
    scheduler : ``tls://HOST:PORT``.
    keys : folder of `cluster_keys.make_keys` that scheduler and workers were started with.

    Raises
    ------
    InputError : there are no keys, the address is not encrypted, or no scheduler with these keys answers.
    """
    if keys is None or not scheduler.startswith("tls://"):
        raise InputError(
            f"The scheduler {scheduler} would be reached without encryption: anyone on the network could run programs "
            "as you.",
            "Make keys with 'regional-brain-age cluster-keys DIR', start scheduler and workers with them "
            "(docs/cluster.md), and give --scheduler tls://HOST:8786 --keys DIR.",
        )
    security = security_of(keys)
    try:
        return Client(scheduler, timeout=_CONNECT_TIMEOUT_S, set_as_default=False, security=security)
    except (OSError, TimeoutError, ValueError) as error:
        raise InputError(
            f"No Dask scheduler with these keys answers at {scheduler}.",
            "Start scheduler and workers as docs/cluster.md says, and give the address as tls://HOST:8786.",
        ) from error


@contextlib.contextmanager
def slurm_client(jobs: int, out_dir: Path, profile: Path | None = None) -> Iterator[Client]:
    """A client whose workers are SLURM jobs; the jobs end with the block.

    Scheduler and workers talk with keys made for this run, kept in a folder of `out_dir` that only the user can read.
    The scheduler listens on the profile's ``interface`` where it names one, and shows no dashboard.

    Parameters
    ----------
    jobs : number of SLURM jobs.
    out_dir : output folder, which all machines share.
    profile : YAML file with settings of dask_jobqueue.SLURMCluster; `DEFAULT_PROFILE` if None.

    Raises
    ------
    InputError : the profile is not usable, SLURM is not installed here, or no job began within an hour.
    """
    from dask_jobqueue import SLURMCluster

    settings = DEFAULT_PROFILE | (read_profile(profile) if profile is not None else {})
    if shutil.which("sbatch") is None:
        raise InputError("SLURM's sbatch is not on this machine.", "Start the batch on a login node.")
    make_folder(out_dir / "batch")
    with tempfile.TemporaryDirectory(prefix=".keys-", dir=out_dir / "batch") as folder:
        secured: dict[str, Any] = {
            "security": security_of(make_keys(Path(folder) / "keys")),
            "protocol": "tls://",
            "shared_temp_directory": folder,
            "scheduler_options": {"dashboard": False, **dict(settings.pop("scheduler_options", None) or {})},
        }
        try:
            cluster = SLURMCluster(**settings, **secured)
        except Exception as error:  # whatever dask makes of a wrong setting
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise InputError(
                f"The SLURM profile is not usable: {reason}.", "See docs/cluster.md for one that is."
            ) from error
        with cluster:
            try:
                cluster.scale(jobs=jobs)
                with Client(cluster, set_as_default=False, security=secured["security"]) as client:
                    client.wait_for_workers(1, timeout=_WORKER_TIMEOUT_S)
                    yield client
            except TimeoutError as error:
                raise InputError("No SLURM job began within an hour.", "Look at squeue, and at the profile.") from error


def read_profile(path: Path) -> dict[str, Any]:
    """Settings of a SLURM profile.

    Raises
    ------
    InputError : the file cannot be read or is not a mapping.
    """
    name = f"The SLURM profile {path}"
    plain_file(path, name)
    with parsing(name, "Give a YAML file."):
        settings = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    if not isinstance(settings, dict):
        raise InputError(f"The SLURM profile {path} is not a mapping.", "See docs/cluster.md for an example.")
    return settings


def run_on_dask(
    tasks: Sequence[Task],
    *,
    client: Client,
    update: Update | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Generator[Record, None, None]:
    """Compute all tasks on a cluster, yielding how each ended in the order they end.

    Parameters
    ----------
    client : of the scheduler; each thread of its workers computes one case at a time.
    update : called as in `local_pool.run_local`, without processes: they run elsewhere.
    cancelled : asked about twice a second; True ends everything.

    Raises
    ------
    Cancelled : the `cancelled` callback returned True.
    """
    if not tasks:
        return
    store, token = Store(tasks[0].out_dir), tasks[0].token
    names: dict[Future, str] = {}
    beaten = time.monotonic()
    try:
        for task in tasks:
            key = f"{task.name}-{task.token}"
            names[client.submit(run_task, task.as_line(), key=key, pure=False)] = task.name
        while names:
            if cancelled is not None and cancelled():
                raise Cancelled("Cancelled.", GO_ON)
            for future in [future for future in names if future.done()]:
                yield _record(store, names.pop(future), future)
            if time.monotonic() - beaten > HEARTBEAT_S:
                store.beat(token)
                beaten = time.monotonic()
            if update is not None:
                update([])
            time.sleep(_POLL_S)
    finally:
        if names:
            store.disown()  # tells every machine to end its case
            deadline = time.monotonic() + _STOP_TIMEOUT_S
            while time.monotonic() < deadline and not all(future.done() for future in names):
                time.sleep(_POLL_S)
            client.cancel(list(names))


def run_task(line: str) -> str:
    """On the machine of a Dask worker: run the case's process to its end. Returns the reason of a failure, or "".

    It ends the process when the run that gave the task has ended, was replaced, or has not been heard of for a while.
    """
    task = task_from_line(line)
    pulse = Pulse(Store(task.out_dir), task.token)
    for first_attempt in (True, False):
        if not pulse.felt():
            return "Stopped."
        try:
            process = CaseProcess(task, first_attempt)
        except OSError as error:
            return f"The process of this case could not be started on the worker: {error}."
        try:
            while not process.ended():
                if not pulse.felt():
                    return "Stopped."
                time.sleep(_POLL_S)
        finally:
            process.stop()
        record = process.record()
        if not process.was_killed():
            break
    return record.reason


class Pulse:
    """Whether the run that gave a task is still alive, seen through the output folder.

    Parameters
    ----------
    store, token : of the run.
    """

    def __init__(self, store: Store, token: str) -> None:
        self._store, self._token = store, token
        self._last: float | None = None
        self._heard = time.monotonic()

    def felt(self) -> bool:
        """False once the run ended, another took over, or no beat came for `SILENCE_S`."""
        beat = self._store.last_beat(self._token)
        if beat is None:
            return False
        if beat != self._last:
            self._last, self._heard = beat, time.monotonic()
        return time.monotonic() - self._heard < SILENCE_S


def _record(store: Store, name: str, future: Future) -> Record:
    if future.status != "finished":
        what = future.exception() if future.status == "error" else future.status
        return Record(name, FAILED, reason=f"The cluster could not compute this case: {what}.")
    reason = future.result()
    deadline = time.monotonic() + _FILE_SYSTEM_DELAY_S
    while (record := store.read(name)) is None and not reason and time.monotonic() < deadline:
        time.sleep(_POLL_S)  # a network file system may lag behind the message
    if record is not None:
        return record
    lost = f"The cluster ended this case, but no result appeared. Do all its machines share the path {store.out_dir}?"
    return Record(name, FAILED, reason=reason or lost)
