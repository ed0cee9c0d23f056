"""A folder with the files that pages name, and the program with heads measured once."""

from __future__ import annotations

import shutil

import pytest
from made_files import make_files
from program import measure_once
from RegionalBrainAgeLib.batch.run import batch
from RegionalBrainAgeLib.case import pipeline


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    make_files(folder)
    return folder


@pytest.fixture
def here(files, tmp_path, monkeypatch):
    """The working folder of one page, with everything that pages name; heads are measured once for all pages."""
    for path in files.iterdir():
        if path.name != "data":
            (tmp_path / path.name).symlink_to(path)
    shutil.copytree(files / "data", tmp_path / "data")  # pages write into it
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pipeline, "measure_head", pipeline.measure_head)  # put back at the end
    monkeypatch.setitem(batch.run_batch.__kwdefaults__, "command", batch.WORKER)
    measure_once(files / "heads")
    return tmp_path
