"""What the cohort panel asks of the library in a process of its own; see cohort_process.py."""

from __future__ import annotations

import json
from pathlib import Path

COHORT_PROCESS = Path(__file__).with_name("cohort_process.py")


def check_table(arguments: list[str]) -> int:
    """``cohort-check TABLE SETTINGS_JSON``: print one line "check: {...}" with findings and counts. Returns 0."""
    from RegionalBrainAgeCohortLib.data.cohort_table import read_cohort
    from RegionalBrainAgeCohortLib.data.settings import Settings

    cohort = read_cohort(arguments[0], Settings.from_dict(json.loads(arguments[1])))
    said = {
        "read": cohort.rows_read,
        "usable": len(cohort.data),
        "sites": int(cohort.data["site"].nunique()),
        "networks": list(cohort.networks),
        "findings": [[finding.level, finding.sentence] for finding in cohort.findings],
        "left_out": cohort.left_out.astype(str).to_numpy().tolist(),
    }
    print("check: " + json.dumps(said))
    return 0


def write_template(arguments: list[str]) -> int:
    """``template DIR``: write template_T1.nii.gz, template_regions.nii.gz and template_regions.json. Returns 0."""
    import numpy as np
    from RegionalBrainAgeLib.anatomy.regions import load_scheme, region_masks
    from RegionalBrainAgeLib.anatomy.template import template_brain
    from RegionalBrainAgeLib.case.result.volumes import RegionVolume
    from RegionalBrainAgeLib.files.images import write_image
    from RegionalBrainAgeLib.geometry.image import resample

    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    scheme = load_scheme()
    labels = RegionVolume.combine(region_masks(scheme)).first_region()
    brain = resample(template_brain(), labels)
    write_image(brain.like(brain.array.astype(np.float32)), folder / "template_T1.nii.gz")
    write_image(labels, folder / "template_regions.nii.gz")
    regions = [{"region": r.name, "network": r.network.lower(), "hemisphere": r.hemisphere} for r in scheme.regions]
    (folder / "template_regions.json").write_text(json.dumps(regions), encoding="utf-8")
    return 0
