"""The same batch on a real Dask scheduler with two worker processes: same table, and a worker's death is survived."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import psutil
import pytest
from quick_batch import make_cohort, quick_batch
from RegionalBrainAgeLib.batch.run.backends import executor
from RegionalBrainAgeLib.batch.run.options import BatchOptions
from RegionalBrainAgeLib.case.result.tables import PROCESSED_NAME
from RegionalBrainAgeLib.errors import InputError

distributed = pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")
dask_runner = pytest.importorskip("RegionalBrainAgeLib.batch.run.dask_pool")
cluster_keys = pytest.importorskip("RegionalBrainAgeLib.batch.run.cluster_keys")


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return cluster_keys.make_keys(tmp_path_factory.mktemp("keys") / "mine")


@pytest.fixture(scope="module")
def scheduler(keys):
    """Encrypted address of a scheduler with two workers of one thread, all processes of their own."""
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        memory_limit=0,
        protocol="tls://",
        security=cluster_keys.security_of(keys),
    ) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def on_dask(keys):
    return partial(run_on_dask, keys)


def run_on_dask(keys, cases, out, address, **options):
    with executor(BatchOptions(scheduler=address, keys=keys), out) as execute:
        return quick_batch(cases, out, execute=execute, **options)


def table(out) -> bytes:
    return (out / PROCESSED_NAME).read_bytes()


@pytest.mark.slow
def test_the_table_is_that_of_one_machine(scheduler, on_dask, tmp_path):
    cases = make_cohort(tmp_path / "in", ["wait 0.2", "wait 0.01", "fail", "wait 0.1", "die once"])
    quick_batch(cases, tmp_path / "local")
    (tmp_path / "sub-P004.died").unlink()
    summary = on_dask(cases, tmp_path / "dask", scheduler)
    assert (summary.done, len(summary.failed)) == (4, 1)
    assert table(tmp_path / "dask") == table(tmp_path / "local")
    assert on_dask(cases, tmp_path / "dask", scheduler, resume=True).unchanged == 4


@pytest.mark.slow
def test_a_worker_killed_mid_case_is_survived(scheduler, on_dask, keys, tmp_path):
    cases = make_cohort(tmp_path / "in", ["wait 3", "wait 0.2", "wait 0.2"])
    quick_batch(cases, tmp_path / "local")
    with distributed.Client(scheduler, set_as_default=False, security=cluster_keys.security_of(keys)) as client:
        pids = client.run(os.getpid)

        def kill_a_worker_at_work() -> None:
            deadline = time.monotonic() + 120
            while not (tmp_path / "dask/batch/logs/sub-P000.log").exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(1.0)
            # Workers and cases are parent and child: find the Dask worker whose child computes the first case.
            busy = [pid for pid in pids.values() if psutil.Process(pid).children()]
            killed.append(busy[0])
            os.kill(busy[0], signal.SIGKILL)

        killed: list[int] = []
        killer = threading.Thread(target=kill_a_worker_at_work)
        killer.start()
        summary = on_dask(cases, tmp_path / "dask", scheduler)
        killer.join()
        assert len(killed) == 1
        assert killed[0] not in client.run(os.getpid).values()
    assert (summary.done, summary.failed) == (3, ())
    assert table(tmp_path / "dask") == table(tmp_path / "local")


@pytest.mark.slow
def test_the_cases_of_a_batch_that_ends_are_ended_on_the_workers(scheduler, keys, tmp_path):
    cases = make_cohort(tmp_path / "in", ["wait 600"] * 2)
    here = str(Path(__file__).parent)
    program = PROGRAM.format(
        folder=here, cases=str(cases), out=str(tmp_path / "out"), scheduler=scheduler, keys=str(keys)
    )
    batch = subprocess.Popen([sys.executable, "-c", program])
    log = tmp_path / "out/batch/logs/sub-P000.log"
    deadline = time.monotonic() + 120  # only a stop for the test: other tests may have the processor meanwhile
    while not log.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert log.exists(), "the case never began"
    time.sleep(0.5)
    batch.send_signal(signal.SIGINT)
    assert batch.wait(120) != 0
    assert not (tmp_path / "out/batch/run.json").exists()
    assert not [p for p in (tmp_path / "out").iterdir() if p.name.startswith(".")]


PROGRAM = """
import sys; sys.path.insert(0, {folder!r})
from pathlib import Path
from test_batch_dask import run_on_dask
run_on_dask(Path({keys!r}), Path({cases!r}), Path({out!r}), {scheduler!r})
"""


def test_a_scheduler_that_does_not_answer_is_told(monkeypatch, keys, tmp_path):
    monkeypatch.setattr(dask_runner, "_CONNECT_TIMEOUT_S", 1.0)
    options = BatchOptions(scheduler="tls://localhost:1", keys=keys)
    with pytest.raises(InputError, match="No Dask scheduler with these keys"), executor(options, tmp_path):
        pass


def test_a_scheduler_open_to_everyone_is_refused(keys, tmp_path):
    for options in (
        BatchOptions(scheduler="tcp://localhost:1", keys=keys),
        BatchOptions(scheduler="tls://localhost:1"),
    ):
        with pytest.raises(InputError, match="without encryption"), executor(options, tmp_path):
            pass


def test_keys_are_readable_for_their_owner_alone_and_let_nobody_else_in(scheduler, keys, tmp_path):
    assert [oct(path.stat().st_mode & 0o777) for path in (keys, *sorted(keys.iterdir()))] == ["0o700", "0o600", "0o600"]
    with pytest.raises(InputError, match="keys already"):
        cluster_keys.make_keys(keys)
    others = cluster_keys.make_keys(tmp_path / "others")
    with pytest.raises(InputError, match="No Dask scheduler with these keys"):
        dask_runner.connect(scheduler, others)


def test_without_sbatch_slurm_is_refused_in_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="sbatch is not on this machine"), executor(BatchOptions(slurm=True), tmp_path):
        pass


def test_a_network_the_machine_does_not_have_is_refused_in_a_sentence(monkeypatch, tmp_path):
    sbatch = tmp_path / "sbatch"
    sbatch.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    sbatch.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    profile = tmp_path / "profile.yaml"
    profile.write_text("interface: nosuch0\n", encoding="utf-8")
    options = BatchOptions(slurm=True, slurm_profile=profile)
    with pytest.raises(InputError, match="nosuch0"), executor(options, tmp_path / "out"):
        pass
    assert not list((tmp_path / "out" / "batch").iterdir())


def test_a_case_stops_when_its_run_is_silent_ended_or_replaced(tmp_path, monkeypatch):
    from RegionalBrainAgeLib.batch.run.case_records import Store

    monkeypatch.setattr(dask_runner, "SILENCE_S", 0.2)
    store = Store(tmp_path)
    with store.owned() as token:
        pulse = dask_runner.Pulse(store, token)
        assert pulse.felt()
        time.sleep(0.15)
        store.beat(token)
        assert pulse.felt()
        time.sleep(0.25)
        assert not pulse.felt()
        assert not dask_runner.Pulse(store, "another").felt()
    assert not dask_runner.Pulse(store, token).felt()
