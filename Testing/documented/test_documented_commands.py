"""The calls of the program that a page shows are run, in the order of the page, on files of the names it uses.

What takes long is shortened, and only that: a head is measured once for all calls, and models are trained for a few
steps. What cannot be run here is listed in `pages.ELSEWHERE` with the test that does, or with the reason.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from made_files import copy_controls, write_freesurfer_labels
from pages import CALLS, PROGRAM, blocks, calls, commands, run_by, typed
from regional_brain_age import __main__ as command_line
from RegionalBrainAgeLib.files.tables import read_table
from shared_folder import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]

SHORTER = {"train": ["--steps", "3", "--folds", "2"]}
PROGRAM_FILE = Path(__file__).with_name("program.py")


def run_here() -> dict[str, list[list[str]]]:
    """The calls of every page that are run in this process, without those it repeats."""
    found: dict[str, list[list[str]]] = {}
    for page, words in calls():
        if run_by([PROGRAM, *words]) == CALLS and "--scheduler" not in words and words not in found.get(page, []):
            found.setdefault(page, []).append(words)
    return found


def run(words: list[str], folder: Path, capsys) -> None:
    """One call; paths of a page that begin at the root begin at the folder."""
    words = [str(folder / word[1:]) if word.startswith(("/data/", "/shared/")) else word for word in words]
    if words[0] == "train":  # a page may show it twice
        shutil.rmtree(words[words.index("--out") + 1], ignore_errors=True)
    if words[:2] == ["cohort", "results/processed_cases.csv"]:  # a cohort of more than the page's one case
        shutil.copy("processed_cases.csv", "results/processed_cases.csv")
    try:
        code = command_line.main([*words, *SHORTER.get(words[0], [])])
    except SystemExit as end:  # the parser's own answers
        code = end.code
    assert code == 0, f"{' '.join(words)}\n{capsys.readouterr().err[-2000:]}"


def _a_model(folder: Path, capsys) -> None:
    run(["train", "TABLE.csv", "--out", "MODEL"], folder, capsys)


def _labels_for_freesurfer(folder: Path, capsys) -> None:
    run(["case", "--t1", "T1w.nii.gz", "--age", "63", "--sex", "F", "--out", "before"], folder, capsys)
    write_freesurfer_labels(folder / "before" / "sub-T1w", folder / "subjects" / "07")


def _controls(folder: Path, capsys) -> None:
    people = (folder / "participants.tsv").read_text(encoding="utf-8")
    (folder / "participants.tsv").unlink()  # a link to the file of four sites
    (folder / "participants.tsv").write_text(re.sub(r"\t[A-D]$", "\tA", people, flags=re.MULTILINE), encoding="utf-8")
    run(["case", "--t1", "T1w.nii.gz", "--age", "63", "--sex", "F", "--out", "before"], folder, capsys)
    copy_controls(folder / "before" / "sub-T1w", folder / "results", 12)


def _a_calibration(folder: Path, capsys) -> None:
    _controls(folder, capsys)
    run(["calibrate", "default", "results", "--out", "scanner-a.json"], folder, capsys)


def _results(folder: Path, capsys) -> None:
    run(["batch", "CASES.csv", "--out", "results"], folder, capsys)


# What a page takes for granted when it begins.
BEFORE = {
    "Resources/Models/README.md": _a_model,
    "docs/howto/calibrate.md": _controls,
    "docs/howto/messages.md": _a_calibration,
    "docs/tutorials/group.md": _results,
    "docs/tutorials/one_case.md": _labels_for_freesurfer,
}


@pytest.mark.parametrize("page", sorted(run_here()))
def test_the_calls_of_a_page_end_well(page, here, capsys):
    BEFORE.get(page, lambda *_: None)(here, capsys)
    for words in run_here()[page]:
        run(words, here, capsys)


def mounted(words: list[str], image: str) -> list[str]:
    """The call inside a container, with the folders of this machine in the place of the container's."""
    begin = words.index(image) + 1
    mounts = [words[i + 1].split(":") for i, word in enumerate(words[:begin]) if word in ("-v", "--bind")]
    places = {(mount[1] if len(mount) > 1 else mount[0]): mount[0] for mount in mounts}

    def outside(word: str) -> str:
        top = next((place for place in places if word == place or word.startswith(f"{place}/")), None)
        assert top is not None or not word.startswith("/"), f"{word} is not mounted"
        return word if top is None else places[top] + word.removeprefix(top)

    return [outside(word) for word in words[begin:]]


def test_the_calls_of_containers_reach_the_program(here, capsys):
    """No container is made: the folders it mounts and the words that reach the program are what is shown."""
    ran = 0
    for _, words in typed():
        if words[:2] in (["docker", "run"], ["apptainer", "run"]):
            image = next(word for word in words if word in ("regional-brain-age", "regional-brain-age.sif"))
            run(mounted(words, image), here, capsys)
            ran += 1
    assert ran == 3
    cases = here / "data" / "ages" / "group" / "processed_cases.csv"
    assert [row["case_id"] for row in read_table(cases)] == ["01_ses-1", "02_ses-1"]


APPTAINER = """#!{python}
import subprocess, sys
sys.path[:0] = {path!r}
from test_documented_commands import mounted
words = mounted(["apptainer", *sys.argv[1:]], "regional-brain-age.sif")
sys.exit(subprocess.run([sys.executable, {program!r}, {heads!r}, *words]).returncode)
"""


def test_a_job_of_the_array_processes_its_participant(files, here):
    """SLURM gives a job its number; apptainer is a stand-in that runs the program on the folders that are mounted."""
    (words,) = (words for _, words in typed() if words[0] == "sbatch")
    program = APPTAINER.format(
        python=sys.executable, path=sys.path, program=str(PROGRAM_FILE), heads=str(files / "heads")
    )
    (here / "apptainer").write_text(program, encoding="utf-8")
    (here / "apptainer").chmod(0o755)
    environment = {**os.environ, **_python_path(), "SLURM_ARRAY_TASK_ID": "2", "SLURM_CPUS_PER_TASK": "1"}
    environment["PATH"] = os.pathsep.join([str(here), os.environ["PATH"]])
    folders = [str(here / word[1:]) for word in words[-2:]]
    subprocess.run(["bash", str(ROOT / words[-3]), *folders], env=environment, check=True)
    done = sorted(path.name for path in Path(folders[1]).glob("sub-*"))
    assert done == ["sub-02"]


def test_a_batch_runs_on_the_dask_cluster_that_a_page_starts(here, capsys):
    pytest.importorskip("distributed")
    (text,) = (text for page, text, _ in blocks("sh") if "dask scheduler" in text)
    here_and_alone = {"HOST": "127.0.0.1", "/shared/": f"{here}/shared/", "--nworkers 4": "--nworkers 1"}
    for word, other in here_and_alone.items():
        text = text.replace(word, other)
    keys, tls, scheduler, worker, batch = commands(text)
    values = tls[0].removeprefix("TLS=").split()
    environment = {**os.environ, **_python_path(), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    run(keys[1:], here, capsys)
    assert " ".join(scheduler[:-1]) in capsys.readouterr().out.replace("HOST", "127.0.0.1")  # it prints the page's call
    started = []
    try:
        for words in (scheduler, worker):
            started.append(subprocess.Popen([*words[:-1], *values], env=environment, cwd=here))
            time.sleep(5)
            assert started[-1].poll() is None
        run(batch[1:], here, capsys)
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(60)
    table = read_table(here / "shared" / "DIR" / "processed_cases.csv")
    assert [row["case_id"] for row in table] == ["c0", "c1"]


def _python_path() -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join(sys.path)}
