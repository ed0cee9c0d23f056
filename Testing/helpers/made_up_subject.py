"""A FreeSurfer folder with statistics alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from RegionalBrainAgeLib.anatomy.parcels import PARCEL_NAMES
from RegionalBrainAgeLib.anatomy.structures import STRUCTURE_CODES


def make_subject(folder: Path, thickness_mm: np.ndarray, volumes: bool = True) -> None:
    """Statistics as FreeSurfer writes them: 148 thicknesses (mm), and structures of 1000 mm^3 plus their code."""
    (folder / "stats").mkdir(parents=True)
    header = "# ColHeaders StructName NumVert SurfArea GrayVol ThickAvg ThickStd MeanCurv GausCurv FoldInd CurvInd\n"
    for side in ("lh", "rh"):
        rows = [
            f"{name[3:].replace('_and_', '&')} 100 60 200 {thickness_mm[number]:.4f} 0.5 0.1 0.02 1 0.5"
            for number, name in enumerate(PARCEL_NAMES)
            if name.startswith(side)
        ]
        (folder / "stats" / f"{side}.aparc.a2009s.stats").write_text(header + "\n".join(rows) + "\n", encoding="utf-8")
    if volumes:
        lines = ["# Measure EstimatedTotalIntraCranialVol, eTIV, words, 1500000.0, mm^3"]
        lines.append("# ColHeaders  Index SegId NVoxels Volume_mm3 StructName")
        lines += [f"1 {code} 9 {1000.0 + code} {name}" for name, code in STRUCTURE_CODES.items()]
        (folder / "stats" / "aseg.stats").write_text("\n".join(lines) + "\n", encoding="utf-8")
