"""The demonstration's head in Slicer's module Sample Data."""

from __future__ import annotations

from pathlib import Path

import slicer
from RegionalBrainAgeLib.resources import DEMO_HEAD, package_file
from slicer.i18n import tr as _

from ..messages import told_to_user

CATEGORY, NAME = "Regional Brain Age", "Colin27 head"


def register_sample_data(icon: Path) -> None:
    """Offer the head in the module Sample Data. Nothing is downloaded: it lies in an installed Python package."""
    try:
        import SampleData
    except ImportError:  # Slicer without its scripted modules
        return
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=NAME,
        # The module wants an address; the loader below does not use it.
        uris=f"package:{DEMO_HEAD[0]}",
        fileNames=DEMO_HEAD[-1],
        nodeNames="Colin27",
        thumbnailFileName=str(icon),
        customDownloader=load_demo_head,
    )


def load_demo_head(_source=None):
    """Open the head; returns its node, or None after telling the user why not."""
    with told_to_user(_("The sample head could not be opened.")):
        return slicer.util.loadVolume(str(package_file(*DEMO_HEAD)), {"name": "Colin27", "singleFile": True})
    return None
