"""The images of a case, all on the T1's grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...anatomy.regions import MOST_REGIONS
from ...geometry.image import Image


@dataclass(frozen=True)
class RegionVolume:
    """Regions that may overlap, as one volume.

    Parameters
    ----------
    codes : Image of int16; 0 where there is no region.
    members : ndarray of bool, shape (codes, regions): which regions a code stands for; row 0 is all False.
    """

    codes: Image
    members: np.ndarray

    @staticmethod
    def combine(masks: Sequence[Image]) -> RegionVolume:
        """Regions given as masks on one grid, in the order of a scheme.

        Raises
        ------
        ValueError : more than `MOST_REGIONS`.
        """
        if len(masks) > MOST_REGIONS:
            raise ValueError(f"{len(masks)} regions do not fit into the bits of one number")
        bits = np.zeros(masks[0].shape, np.int64)
        for index, mask in enumerate(masks):
            bits |= mask.array.astype(np.int64) << index
        combinations, codes = np.unique(bits, return_inverse=True)
        members = (combinations[:, None] >> np.arange(len(masks))) & 1 == 1
        if combinations[0] != 0:  # no voxel without a region: code 0 still means none
            members = np.vstack([np.zeros(len(masks), bool), members])
            codes = codes + 1
        return RegionVolume(masks[0].like(codes.reshape(bits.shape).astype(np.int16)), members)

    def with_codes(self, codes: Image) -> RegionVolume:
        """The same regions after moving `codes` to another grid."""
        return RegionVolume(codes, self.members)

    def mask(self, index: int) -> Image:
        """Full extent of one region, also where others overlap it."""
        return self.codes.like(self.members[:, index][self.codes.array])

    def masks(self) -> list[Image]:
        """Masks of all regions (bool), in the order of the scheme."""
        return [self.mask(index) for index in range(self.members.shape[1])]

    def first_region(self) -> Image:
        """Number (from 1) of the first region of the scheme at each voxel, int16; 0 where there is none."""
        first = np.where(self.members.any(axis=1), self.members.argmax(axis=1) + 1, 0).astype(np.int16)
        return self.codes.like(first[self.codes.array])

    def paint(self, values: np.ndarray) -> Image:
        """float32 volume with the value of the first region at each voxel, NaN where there is none.

        Parameters
        ----------
        values : ndarray, shape (regions,).
        """
        lookup = np.concatenate([[np.nan], np.asarray(values, float)]).astype(np.float32)
        return self.codes.like(lookup[self.first_region().array])


@dataclass(frozen=True)
class CaseVolumes:
    """What can be looked at.

    Parameters
    ----------
    t1 : the head, bias-corrected, float32.
    brain : brain mask, bool.
    lesion : lesion mask, bool; all False without a lesion.
    regions : the scheme's regions in this head.
    parcels : parcels in the cortical ribbon (1..148), int16; None when FreeSurfer gave the thicknesses.
    thickness : cortical thickness (mm), NaN outside the ribbon; None when FreeSurfer gave it.
    template_on_t1 : the template's brain brought onto this head, to judge the registration; None without one.
    structures : FreeSurfer's aseg codes of the measured structures, uint8; None when FreeSurfer measured them.
    """

    t1: Image
    brain: Image
    lesion: Image
    regions: RegionVolume
    parcels: Image | None
    thickness: Image | None
    template_on_t1: Image | None
    structures: Image | None = None
