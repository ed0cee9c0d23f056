"""Full-size measurements of ``case``; prints tables. Data: the folder of the tests (see Testing/conftest.py).

python Testing/benchmarks/case_benchmark.py cost          one case's time and peak memory beside antspyx's SyNQuick
python Testing/benchmarks/case_benchmark.py heads OUT     every head with three real lesions and without one
python Testing/benchmarks/case_benchmark.py orientations  the same head stored in other voxel orders
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np
from lesions_into_heads import SOOP_EXAMPLES, soop_lesion
from real_heads import RealHead, bring_lesion, real_heads
from RegionalBrainAgeLib.files.tables import read_table
from RegionalBrainAgeLib.files.words import number_of
from shared_folder import data_folder

THREADS = 2


def run_case(head: RealHead, out: Path, case_id: str, lesion: Path | None = None, t1: Path | None = None) -> dict:
    """Runs the command line; gives its JSON with the wall and processor time as ``wall_seconds``, ``cpu_seconds``."""
    words = ["case", "--t1", t1 or head.t1, "--age", head.age_years, "--sex", head.sex, "--id", case_id, "--out", out]
    words += ["--threads", THREADS, "--overwrite", "--json", *(["--lesion", lesion] if lesion else [])]
    run, times = timed([sys.executable, "-m", "regional_brain_age", *map(str, words)])
    if run.returncode:
        sys.exit(f"{case_id}: exit code {run.returncode}\n{run.stderr}")
    return json.loads(run.stdout) | times


def timed(command: list[str]) -> tuple[subprocess.CompletedProcess, dict[str, float]]:
    """Runs a command with wall and processor seconds; the latter tell also on a machine that others use."""
    started, before = time.perf_counter(), os.times()
    environment = os.environ | {"ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": str(THREADS)}
    run = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, env=environment)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return run, {"wall_seconds": time.perf_counter() - started, "cpu_seconds": cpu}


def thickness_and_load(result: dict) -> tuple[np.ndarray, np.ndarray]:
    """Region thickness (mm) and load (fraction), as regions.tsv holds them."""
    folder = Path(result["folder"])
    rows = read_table(folder / f"{folder.name}_regions.tsv")
    return tuple(np.array([number_of(row[column]) for row in rows]) for column in ("thickness_mm", "load_fraction"))


def cost(data: Path, work: Path) -> None:
    """Time per step and peak memory of one case, and SyNQuick's time for registration alone on the same head."""
    head = real_heads(data)["sub-0001"]
    healthy = run_case(head, work, "healthy")
    lesion = SOOP_EXAMPLES[1]
    mask = bring_lesion(Path(healthy["folder"]), soop_lesion(data, lesion), work / "lesion.nii.gz")
    result = run_case(head, work, "lesioned", mask)
    print(f"{head.name} with the lesion {lesion}, {THREADS} threads")
    for step, seconds in result["seconds"].items():
        print(f"  {step:<14}{seconds:8.1f} s")
    print(f"  peak memory   {result['provenance']['peak_memory_mb'] / 1000:8.2f} GB")
    other = synquick(head.t1)
    print(f"{'':<40}{'wall s':>8}{'CPU s':>8}")
    rows = (("case, the whole command", result), ("antspyx SyNQuick, registration alone", other))
    for name, times in rows:
        print(f"{name:<40}{times['wall_seconds']:8.1f}{times['cpu_seconds']:8.1f}")
    print(f"{'ratio':<40}" + "".join(f"{result[k] / other[k]:8.2f}" for k in ("wall_seconds", "cpu_seconds")))


def synquick(t1: Path) -> dict[str, float]:
    """Times of antspyx's SyNQuick from the head to the MNI template, with as many threads."""
    code = f"""
import ants
from RegionalBrainAgeLib.geometry.image import to_canonical
from RegionalBrainAgeLib.files.images import read_t1
from RegionalBrainAgeLib.anatomy.template import template_brain
def to_ants(image):
    direction = image.ras_from_ijk[:3, :3] / image.spacing_mm
    direction[:2] *= -1
    origin = image.ras_from_ijk[:3, 3] * [-1, -1, 1]
    return ants.from_numpy(image.array.astype('float32'), tuple(origin), tuple(image.spacing_mm), direction)
head, template = to_ants(to_canonical(read_t1({str(t1)!r})[0])), to_ants(template_brain())
ants.registration(template, head, type_of_transform='antsRegistrationSyNQuick[s]')
"""
    run, times = timed([sys.executable, "-c", code])
    if run.returncode:
        sys.exit(run.stderr)
    return times


def heads(data: Path, out: Path) -> None:
    """Every head without a lesion, then with three real ones."""
    print(f"{'case':<24}{'ml':>8}{'side':>6}{'CST':>7}{'mm':>7}{'regions':>9}{'PAD median':>12}{'s':>7}{'GB':>6}  qc")
    for head in real_heads(data).values():
        plain = run_case(head, out, f"{head.name}_none")
        tell(head, plain)
        for name in SOOP_EXAMPLES:
            case_id = f"{head.name}_{name.removeprefix('bwsrsub-')}"
            mask = bring_lesion(Path(plain["folder"]), soop_lesion(data, name), out / f"{case_id}_mask.nii.gz")
            tell(head, run_case(head, out, case_id, mask))


def tell(head: RealHead, result: dict) -> None:
    pads = [row["pad_corrected_years"] for row in result["regions"] if row["estimable"]]
    thickness_mm = np.nanmean([np.nan if p["thickness_mm"] is None else p["thickness_mm"] for p in result["parcels"]])
    lesion = result["lesion"]
    cst = max(lesion["load_cst_left"], lesion["load_cst_right"])
    pad = f"{np.median(pads):+.1f}" + ("" if head.age_known else "?")
    print(
        f"{result['case']['case_id']:<24}{lesion['volume_ml']:8.1f}{lesion['side']:>6}{cst:7.2f}{thickness_mm:7.2f}"
        f"{len(pads):>6}/18{pad:>12}{result['wall_seconds']:7.0f}{result['provenance']['peak_memory_mb'] / 1000:6.1f}"
        f"  {result['qc']}: {' | '.join(result['warnings'])}",
        flush=True,
    )


def orientations(data: Path, work: Path, count: int) -> None:
    """One head and lesion stored in other orders and directions of the voxel axes, through the whole chain."""
    head = real_heads(data)["sub-0001"]
    plain = run_case(head, work, "plain")
    mask = bring_lesion(Path(plain["folder"]), soop_lesion(data, SOOP_EXAMPLES[1]), work / "lesion.nii.gz")
    thickness_mm, loads = thickness_and_load(run_case(head, work, "RAS", mask))
    codes = ["".join(c) for p in itertools.permutations(("RL", "AP", "SI")) for c in itertools.product(*p)]
    chosen = [codes[i] for i in np.linspace(1, len(codes) - 2, count).round().astype(int)]
    print(f"{'stored as':<12}{'thickness difference, mm':>28}{'load difference':>20}")
    for code in chosen:
        files = [store_as(path, code, work / f"{code}_{part}.nii.gz") for part, path in (("t1", head.t1), ("m", mask))]
        other_mm, other_loads = thickness_and_load(run_case(head, work, code, files[1], files[0]))
        print(
            f"{code:<12}{np.nanmax(abs(other_mm - thickness_mm)):28.4f}{abs(other_loads - loads).max():20.5f}",
            flush=True,
        )


def store_as(path: Path, code: str, target: Path) -> Path:
    """The same head with its voxel axes along the given directions, for example ``LPS`` or ``SAR``."""
    image = nib.load(path)
    turn = nib.orientations.ornt_transform(nib.io_orientation(image.affine), nib.orientations.axcodes2ornt(tuple(code)))
    nib.save(nib.Nifti1Image.from_image(image).as_reoriented(turn), target)
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("cost", "heads", "orientations"))
    parser.add_argument("out", type=Path, nargs="?", help="keep the cases here (default: a temporary folder)")
    parser.add_argument("--count", type=int, default=5, help="number of orientations (of 48)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = args.out or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        if args.what == "cost":
            cost(data_folder(), work)
        elif args.what == "heads":
            heads(data_folder(), work)
        else:
            orientations(data_folder(), work, args.count)


if __name__ == "__main__":
    main()
