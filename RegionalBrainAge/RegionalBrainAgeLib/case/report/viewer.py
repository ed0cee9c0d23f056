"""The interactive viewer of a report: NiiVue, as the package ipyniivue ships it, and the case's volumes in the page.

NiiVue (Rorden and colleagues; BSD-2) draws slices and a volume rendering with WebGL 2. The page holds its code and the
volumes compressed, so that nothing is fetched; the code starts when the reader asks for it.
"""

from __future__ import annotations

import base64
import gzip
import json
from functools import lru_cache
from pathlib import Path

import jinja2
import nibabel as nib
import numpy as np
from scipy import ndimage

from ...figures import palette
from ...figures.palette import AmountScale, YearsScale, load_limit, years_limit
from ...files.wording import percent, signed
from ...resources import package_file
from ..result.result import CaseResult, RegionResult
from .reading import Reading, regions, why_withheld
from .scene import Scene

FOLDER = Path(__file__).parent
# A little of what surrounds the brain stays, so that the mask's own edge does not hide what it cut.
AROUND_BRAIN_MM = 2
OPAQUE = 220
HATCH_MM = 4


def viewer_html(scene: Scene, result: CaseResult) -> str:
    """The viewer's part of the page: its controls, NiiVue's code, the volumes and the script that joins them.

    Raises
    ------
    RegionalBrainAgeError : the package ipyniivue is not installed.
    """
    near = ndimage.binary_dilation(scene.brain, iterations=AROUND_BRAIN_MM)
    i, j, k = np.ogrid[tuple(slice(n) for n in scene.brain.shape)]
    hatched = scene.lesion & ((i + j + k) % HATCH_MM == 0)
    volumes = {
        "t1": _nifti(np.round(255 * scene.t1 * near), scene),
        "regions": _nifti(scene.region, scene),
        "lesion": _nifti(hatched | (scene.lesion & ~ndimage.binary_erosion(scene.lesion)), scene),
    }
    found = regions(result)
    facts = {
        "regions": [row.region for row in result.regions],
        "places": [_place(scene.region == number) for number in range(1, len(result.regions) + 1)],
        "colours": _colours(result),
        "words": [_words(row, found[row.region]) for row in result.regions],
        "lesion": _lookup(np.array([palette.rgb(palette.LESION)]), np.array([OPAQUE])),
    }
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return environment.from_string((FOLDER / "viewer.html").read_text(encoding="utf-8")).render(
        code=_niivue(),
        volumes=volumes,
        facts=json.dumps(facts),
        script=(FOLDER / "viewer.js").read_text(encoding="utf-8"),
        has_lesion=bool(scene.lesion.any()),
        has_ages=not why_withheld(result),
    )


def _colours(result: CaseResult) -> dict[str, list[int]]:
    """Colours of the regions, as in the still pictures, for each thing the viewer can show.

    What has nothing to report is not painted at all, so that the head is seen there.
    """
    found = [regions(result)[row.region] for row in result.regions]
    values = np.array([reading.value_years for reading in found])
    outside = np.array([reading.outside != 0 for reading in found])
    lost = np.array([not reading.estimable for reading in found])
    ages = YearsScale(years_limit(values[outside])).colours(values, outside)
    ages[lost] = palette.rgb(palette.NOT_ESTIMABLE)
    loads = np.array([row.load_fraction for row in result.regions])
    by_load = AmountScale(0.0, load_limit(loads)).colours(loads)
    colours = {"load": _lookup(by_load, np.where(loads > 0, OPAQUE, 0))}
    return colours if why_withheld(result) else {"ages": _lookup(ages, np.where(outside | lost, OPAQUE, 0))} | colours


def _words(row: RegionResult, reading: Reading) -> str:
    """What is said of a region that was clicked."""
    words = [f"{row.side} {row.network} ({row.hemisphere})"]
    if reading.estimable:
        words.append(
            f"{signed(reading.value_years)} years, healthy range {signed(reading.low_years)} to "
            f"{signed(reading.high_years)}"
        )
    return "; ".join([*words, f"{percent(row.load_fraction)} % lesioned"])


def _lookup(colours: np.ndarray, alpha: np.ndarray) -> list[int]:
    """Red, green, blue, opacity (0..255) of the labels 0, 1, 2 ..., one after the other; label 0 is not drawn."""
    table = np.zeros((len(colours) + 1, 4), int)
    table[1:, :3] = np.round(255 * colours)
    table[1:, 3] = alpha
    return table.ravel().tolist()


def _place(mask: np.ndarray) -> list[float] | None:
    """The voxel of a region next to its middle, as fractions of the volume; None for one that is not there."""
    ijk = np.argwhere(mask)
    if len(ijk) == 0:
        return None
    nearest = ijk[np.argmin(((ijk - ijk.mean(0)) ** 2).sum(1))]
    return ((nearest + 0.5) / mask.shape).round(4).tolist()


def _nifti(array: np.ndarray, scene: Scene) -> str:
    image = nib.Nifti1Image(array.astype(np.uint8), scene.ras_from_ijk)
    image.header.set_xyzt_units("mm")
    return base64.b64encode(gzip.compress(image.to_bytes(), mtime=0)).decode()


@lru_cache(maxsize=1)
def _niivue() -> str:
    code = package_file("ipyniivue", "static", "widget.js").read_bytes()
    return base64.b64encode(gzip.compress(code, mtime=0)).decode()
