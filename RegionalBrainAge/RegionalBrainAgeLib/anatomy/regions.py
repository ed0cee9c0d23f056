"""Regions: groups of atlas labels, read from a scheme file, as voxels and as weighted parcels.

The shipped scheme has nine functional networks in each hemisphere. Another one is a tab-separated file with the columns
``region, network, hemisphere, atlas, labels`` (labels separated by commas; label names or codes of the atlas).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..files.input_file import parsing, plain_file
from ..geometry.coordinates import coordinates_mm, values_at
from ..geometry.image import Image
from ..resources import scheme_file
from .atlases import Atlas, load_atlas
from .parcels import PARCEL_NAMES, PARCELS_PER_HEMISPHERE, destrieux_atlas

MINIMUM_PARCEL_OVERLAP_FRACTION = 0.15
# A label with less than this share of its voxels in the named hemisphere belongs to the other one, or to both.
MINIMUM_SIDE_FRACTION = 0.75
# A voxel holds its regions as the bits of one whole number (`case.result.volumes`).
MOST_REGIONS = 63
COLUMNS = ("region", "network", "hemisphere", "atlas", "labels")


@dataclass(frozen=True)
class Region:
    """One region of one hemisphere.

    Parameters
    ----------
    name : for example ``"SMN_L"``.
    network : for example ``"SMN"``.
    hemisphere : ``"L"`` or ``"R"``.
    labels : label names of the scheme's atlas.
    """

    name: str
    network: str
    hemisphere: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class RegionScheme:
    """A named set of regions over one atlas."""

    name: str
    regions: tuple[Region, ...]
    atlas: str

    @property
    def networks(self) -> tuple[str, ...]:
        """Network codes in the order of their first region."""
        return tuple(dict.fromkeys(region.network for region in self.regions))

    @property
    def pairs(self) -> tuple[tuple[str, int, int], ...]:
        """Every network with the index of its left and of its right region."""
        index = {(region.network, region.hemisphere): number for number, region in enumerate(self.regions)}
        return tuple((network, index[network, "L"], index[network, "R"]) for network in self.networks)


def load_scheme(path: Path | str | None = None) -> RegionScheme:
    """Reads and checks a scheme file; without a path, the nine networks this software ships.

    Every region is checked: known atlas and labels, one hemisphere, no repeats, and a partner in the other hemisphere
    (ipsi- and contralesional values need both).

    Raises
    ------
    InputError : naming file, line and remedy.
    """
    file = scheme_file(path)
    plain_file(file, f"The region scheme {file}")
    with parsing(f"The region scheme {file}", "Give a UTF-8 TSV file."):
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    rows = [(number, line.split("\t")) for number, line in enumerate(lines, 1) if _has_content(line)]
    if not rows or tuple(cell.strip().lower() for cell in rows[0][1][:5]) != COLUMNS:
        raise InputError(
            f"The region scheme {file} does not start with the header {', '.join(COLUMNS)}.",
            "Write these five column names, separated by tabs, in the first line.",
        )
    regions: list[Region] = []
    atlas: Atlas | None = None
    for number, cells in rows[1:]:
        where = f"Line {number} of the region scheme {file}"
        if len(cells) < len(COLUMNS):
            raise InputError(f"{where} has {len(cells)} columns.", f"Give {', '.join(COLUMNS)}, separated by tabs.")
        name, network, hemisphere, atlas_name = (cell.strip() for cell in cells[:4])
        if atlas is None:
            atlas = _atlas_of_line(where, atlas_name)
        elif atlas_name != atlas.name:
            raise InputError(
                f"{where} uses the atlas '{atlas_name}', others '{atlas.name}'.", "Use one atlas per scheme."
            )
        labels = _labels_of_line(where, cells[4:], atlas)
        region = Region(name, network, hemisphere.upper(), labels)
        _check_region(where, region, regions, atlas)
        regions.append(region)
    if atlas is None:
        raise InputError(f"The region scheme {file} has no regions.", "Add one line per region.")
    if len(regions) > MOST_REGIONS:
        raise InputError(
            f"The region scheme {file} has {len(regions)} regions.", f"Give at most {MOST_REGIONS}, in pairs."
        )
    scheme = RegionScheme(file.stem, tuple(regions), atlas.name)
    _check_pairs(file, scheme)
    return scheme


def region_masks(scheme: RegionScheme) -> list[Image]:
    """Voxels of each region in MNI space, boolean, on the atlas grid, in the order of the scheme. They may overlap.

    A label's voxels across the mid-sagittal plane (x = 0; under 1 % of AAL's cortex) are left out, so that a lesion of
    one hemisphere has no load in the other.
    """
    atlas = load_atlas(scheme.atlas)
    on_side = {"L": _x_mm(atlas.labels) < 0, "R": _x_mm(atlas.labels) > 0}
    return [
        atlas.labels.like(
            np.isin(atlas.labels.array, [atlas.codes[label] for label in region.labels]) & on_side[region.hemisphere]
        )
        for region in scheme.regions
    ]


def membership(scheme: RegionScheme) -> np.ndarray:
    """Weight of every parcel in every region, float64, shape (regions, 148); each row sums to 1.

    A parcel counts where at least 15 % of its voxels lie in the region; its weight is its share of the region's
    cortical voxels. Only parcels of the region's own hemisphere count: a misfit of two atlases at the midline must not
    mix sides.

    Raises
    ------
    InputError : a region holds too little cortex for any parcel.
    """
    parcels = destrieux_atlas()
    atlas = load_atlas(scheme.atlas)
    parcel_ijk = np.argwhere(parcels.array > 0)
    parcel = parcels.array[tuple(parcel_ijk.T)].astype(int) - 1
    code = values_at(atlas.labels, coordinates_mm(parcels, parcel_ijk))
    voxels_of_parcel = np.bincount(parcel, minlength=len(PARCEL_NAMES))
    weights = np.zeros((len(scheme.regions), len(PARCEL_NAMES)))
    for row, region in enumerate(scheme.regions):
        inside = np.isin(code, [atlas.codes[label] for label in region.labels])
        overlap = np.bincount(parcel[inside], minlength=len(PARCEL_NAMES)).astype(float)
        overlap[overlap < MINIMUM_PARCEL_OVERLAP_FRACTION * voxels_of_parcel] = 0.0
        foreign = slice(PARCELS_PER_HEMISPHERE, None) if region.hemisphere == "L" else slice(PARCELS_PER_HEMISPHERE)
        overlap[foreign] = 0.0
        if not overlap.any():
            raise InputError(
                f"Region {region.name} of the scheme '{scheme.name}' holds too little cortex to be given an age.",
                "Add cortical labels to it or leave it out.",
            )
        weights[row] = overlap / overlap.sum()
    return weights


def _has_content(line: str) -> bool:
    return bool(line.strip()) and not line.startswith("#")


def _atlas_of_line(where: str, name: str) -> Atlas:
    try:
        return load_atlas(name)
    except InputError as error:
        raise InputError(f"{where}: {error.what}", error.remedy) from error


def _labels_of_line(where: str, cells: list[str], atlas: Atlas) -> tuple[str, ...]:
    """Label names of a line; label codes are turned into names."""
    words = [word for cell in cells for word in re.split(r"[,;\s]+", cell) if word]
    name_of_code = {str(code): name for name, code in atlas.codes.items() if code}
    labels = [name_of_code.get(word, word) for word in words]
    unknown = [word for word, label in zip(words, labels, strict=True) if not atlas.codes.get(label)]
    if unknown:
        raise InputError(
            f"{where} names {', '.join(unknown)}, which the atlas '{atlas.name}' does not have.",
            f"Use label names such as {', '.join(list(name_of_code.values())[:3])}, or their codes.",
        )
    if not labels:
        raise InputError(f"{where} has no labels.", "Name at least one label or remove the line.")
    repeated = sorted({label for label in labels if labels.count(label) > 1})
    if repeated:
        raise InputError(f"{where} names {', '.join(repeated)} twice.", "Name each label once in a region.")
    return tuple(labels)


def _check_region(where: str, region: Region, earlier: list[Region], atlas: Atlas) -> None:
    if region.hemisphere not in ("L", "R"):
        raise InputError(f"{where} has the hemisphere '{region.hemisphere}'.", "Write L or R.")
    for what, word in (("region", region.name), ("network", region.network)):
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*(_[A-Za-z0-9-]+)*", word):
            raise InputError(
                f"{where} has the {what} name '{word}'.",
                "Start with a letter; use letters, digits, - and single _ only.",
            )
    if region.name.lower() in (other.name.lower() for other in earlier):
        raise InputError(f"{where} repeats the region {region.name}.", "Give each region a name of its own.")
    if (region.network.lower(), region.hemisphere) in ((r.network.lower(), r.hemisphere) for r in earlier):
        raise InputError(
            f"{where} is a second {region.hemisphere} region of the network {region.network}.",
            "Put its labels into the first one or name another network.",
        )
    elsewhere = [
        label for label in region.labels if _side_fraction(atlas, label, region.hemisphere) < MINIMUM_SIDE_FRACTION
    ]
    if elsewhere:
        raise InputError(
            f"{where}: {', '.join(elsewhere)} {'is' if len(elsewhere) == 1 else 'are'} not in the "
            f"{'left' if region.hemisphere == 'L' else 'right'} hemisphere, but region {region.name} is.",
            "Put the labels of each hemisphere into a region of their own; leave out midline labels.",
        )


def _check_pairs(file: Path, scheme: RegionScheme) -> None:
    for network in scheme.networks:
        sides = {region.hemisphere for region in scheme.regions if region.network == network}
        if sides != {"L", "R"}:
            missing = "right" if sides == {"L"} else "left"
            raise InputError(
                f"The network {network} of the region scheme {file} has no {missing} region.",
                "Add it: ipsi- and contralesional values need both hemispheres.",
            )


def _side_fraction(atlas: Atlas, label: str, hemisphere: str) -> float:
    """Share of a label's voxels on the named side of the MNI mid-sagittal plane."""
    x_mm = coordinates_mm(atlas.labels, np.argwhere(atlas.labels.array == atlas.codes[label]))[:, 0]
    if x_mm.size == 0:
        return 0.0
    return float(np.mean(x_mm < 0 if hemisphere == "L" else x_mm > 0))


def _x_mm(image: Image) -> np.ndarray:
    """RAS x (mm) of every voxel, broadcastable to the image's shape."""
    axes = np.ogrid[tuple(slice(n) for n in image.shape)]
    return (
        sum(step * axis for step, axis in zip(image.ras_from_ijk[0, :3], axes, strict=True)) + image.ras_from_ijk[0, 3]
    )
