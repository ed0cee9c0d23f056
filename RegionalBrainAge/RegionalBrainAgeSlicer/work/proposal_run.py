"""The lesion proposal as a background run: from a head to a mask, region codes and midline on the head's grid."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

NOTE = (
    "Proposed, not reviewed. It shows tissue darker than the template and than the other side. It often misses or cuts "
    "short lesions under 10 ml; it does not see those of cerebellum and brain stem, lesions that are not dark on T1 "
    "and damage alike on both sides; it may take in wide sulci and ventricles. Look at every slice and correct it."
)
NOTHING_FOUND = (
    "Nothing unusually dark was found. That is no proof that there is no lesion: small lesions and lesions not dark on "
    "T1 are missed. Draw it or open a mask, or say that there is none."
)


def run(t1_path: Path, out_dir: Path, case_id: str) -> int:
    """Write ``sub-<id>_proposal.nii.gz``, ``_regions.nii.gz``, ``_midline.nii.gz`` and their JSON files to `out_dir`.

    The mask is written last, so that a cancelled run leaves no proposal. Returns 0.
    """
    from RegionalBrainAgeLib.anatomy.regions import load_scheme, region_masks
    from RegionalBrainAgeLib.case.result.volumes import RegionVolume
    from RegionalBrainAgeLib.files.images import read_t1, write_image
    from RegionalBrainAgeLib.geometry.image import from_canonical, to_canonical
    from RegionalBrainAgeLib.head.brain_mask import extract_brain
    from RegionalBrainAgeLib.head.registration import register
    from RegionalBrainAgeLib.head.shading import correct_bias
    from RegionalBrainAgeLib.lesion.measures import midline_zones
    from RegionalBrainAgeLib.lesion.proposal import propose_lesion

    progress = _Progress()
    out_dir.mkdir(parents=True, exist_ok=True)
    stem = out_dir / f"sub-{case_id.removeprefix('sub-')}"
    progress("read", 0)
    in_file, _warnings = read_t1(t1_path)
    t1 = to_canonical(in_file)
    progress("brain mask", 5)
    brain = extract_brain(t1)
    progress("bias field", 15)
    t1 = correct_bias(t1, brain, None)
    progress("registration", 30)
    registration = register(t1, brain, None)
    scheme = load_scheme()
    regions = RegionVolume.combine(region_masks(scheme))
    codes = registration.to_native(regions.codes)
    zones = registration.to_native(midline_zones())
    progress("proposal", 70)
    proposal = propose_lesion(t1, brain, registration)
    progress("write", 95)
    for name, image in (("regions", codes), ("midline", zones)):
        write_image(from_canonical(image, in_file), Path(f"{stem}_{name}.nii.gz"))
    members = {
        region.name: [int(code) for code in np.flatnonzero(regions.members[:, index])]
        for index, region in enumerate(scheme.regions)
    }
    Path(f"{stem}_regions.json").write_text(json.dumps(members), encoding="utf-8")
    found = bool(proposal.array.any())
    note = {"note": NOTE if found else NOTHING_FOUND, "found": found}
    Path(f"{stem}_proposal.json").write_text(json.dumps(note), encoding="utf-8")
    mask = from_canonical(proposal.like(proposal.array.astype(np.uint8)), in_file)
    write_image(mask, Path(f"{stem}_proposal.nii.gz"))
    progress("done", 100)
    return 0


class _Progress:
    """Lines as the library's own commands print them."""

    def __init__(self) -> None:
        self.start = time.monotonic()

    def __call__(self, step: str, percent: int) -> None:
        print(f"[{time.monotonic() - self.start:6.1f} s] {percent:3d} %  {step}", file=sys.stderr, flush=True)
