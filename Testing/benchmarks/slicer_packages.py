"""Sizes of the packages that 3D Slicer's Python 3.12 installs, on three systems: ``python slicer_packages.py``.

Prints the table of docs/reference/slicer_packages.md. Needs the network. pip chooses wheels for each system, but
decides by the machine it runs on which conditional requirements hold; none of these packages has one that matters here.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RESOURCES = ROOT / "RegionalBrainAge" / "Resources"
WITH = RESOURCES / "RegionalBrainAge-requirements.txt"
ALONE = RESOURCES / "RegionalBrainAge-requirements-without-dependencies.txt"
PLATFORMS = {
    "Linux x86-64": ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_24_x86_64", "manylinux2014_x86_64"),
    "Windows x86-64": ("win_amd64",),
    "macOS arm64": ("macosx_14_0_arm64", "macosx_13_0_arm64", "macosx_12_0_arm64", "macosx_11_0_arm64"),
}
# Published as source alone: pure Python, which pip makes into a wheel on any system. What it needs instead.
SOURCE_ONLY = {"semopy": ("sympy", "numdifftools")}
# Come with Slicer.
BUNDLED = {"numpy", "scipy", "simpleitk", "requests", "pydicom", "packaging", "certifi", "idna", "urllib3"}


def wheels_of(requirements: Path) -> list[str]:
    """The requirements of a file that have wheels, with what those without one need."""
    lines = requirements.read_text(encoding="utf-8").splitlines()
    found = [line for line in lines if line and not line.startswith("#") and line.split(">=")[0] not in SOURCE_ONLY]
    return found + [need for line in lines for need in SOURCE_ONLY.get(line.split(">=")[0], ())]


def pip_download(folder: Path, platform: str, requirements: Path, *more: str) -> None:
    """Download wheels of Python 3.12 for a system.

    Raises
    ------
    subprocess.CalledProcessError : something has no wheel there.
    """
    tags = [word for tag in PLATFORMS[platform] for word in ("--platform", tag)]
    words = ["--only-binary=:all:", "--python-version", "3.12", *tags, "--dest", str(folder), *more]
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", *words, *wheels_of(requirements)],
        check=True,
        capture_output=True,
        text=True,
    )


def sizes_mb(platform: str) -> dict[str, tuple[str, float]]:
    """Version and size of every wheel of a system, by package."""
    with tempfile.TemporaryDirectory() as folder:
        pip_download(Path(folder), platform, WITH)
        pip_download(Path(folder), platform, ALONE, "--no-deps")
        found = {}
        for wheel in Path(folder).glob("*.whl"):
            name, version = wheel.name.split("-")[:2]
            name = re.sub(r"[-_.]+", "-", name).lower()
            if name not in BUNDLED:
                found[name] = (version, wheel.stat().st_size / 1e6)
        return found


def main() -> None:
    """Print the table."""
    found = {platform: sizes_mb(platform) for platform in PLATFORMS}
    names = sorted(set().union(*found.values()), key=lambda n: -max(f.get(n, ("", 0))[1] for f in found.values()))
    print("| package | version | " + " | ".join(PLATFORMS) + " |\n|" + "---|" * (2 + len(PLATFORMS)))
    large = [name for name in names if max(f.get(name, ("", 0))[1] for f in found.values()) >= 0.5]
    for name in large:
        version = next(f[name][0] for f in found.values() if name in f)
        cells = [f"{f[name][1]:.1f}" if name in f else "-" for f in found.values()]
        print(f"| {name} | {version} | " + " | ".join(cells) + " |")
    rest = [f"{sum(mb for name, (_, mb) in f.items() if name not in large):.1f}" for f in found.values()]
    print(f"| {len(names) - len(large)} smaller ones | | " + " | ".join(rest) + " |")
    print("| **all** | | " + " | ".join(f"**{sum(mb for _, mb in f.values()):.0f}**" for f in found.values()) + " |")


if __name__ == "__main__":
    main()
