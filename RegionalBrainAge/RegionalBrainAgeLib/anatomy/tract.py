"""The corticospinal tract and how much of it a lesion takes.

The tract is built at first use from labels of the JHU-MNI atlas (Oishi et al., NeuroImage 46, 2009, 486-499; single
subject, white matter parcelled on its diffusion tensor image), read from the installed package `deepmriprep`
(label volume `mori`). The package is under the MIT licence; with the atlas it states none but asks to cite that
paper. Nothing of the atlas is shipped. The tract is, from below:

* the labels of the corticospinal tract in the brain stem and of the cerebral peduncle, whole;
* the rear two thirds of the posterior limb of the internal capsule: the tract runs in the rear part (Kim et al.,
  NeuroReport 19, 2008, 817-820), in front of it lie prefrontal fibres (Zarei et al., J Magn Reson Imaging 25, 2007,
  48-54);
* the middle two thirds of the superior and posterior corona radiata between the plane of the anterior commissure
  (y = 0), in front of which fibres come from the pre-supplementary and prefrontal cortex, and the rear border of the
  postcentral gyrus, up to where the label begins to give way to the gyri's: at both ends of this stretch the label also
  holds thalamic and callosal fibres;
* above the corona radiata a smooth path to the white matter under the pre- and postcentral gyri, from the midline (leg)
  to the lateral edge of the hand knob (Yousry et al., Brain 120, 1997, 141-157), where the template itself shows it:
  the middle two thirds of every section, without the outer millimetre, where short fibres link neighbouring gyri
  (Oishi et al., NeuroImage 43, 2008, 447-457). Fibres of the face area, farther lateral, end in the brain stem and are
  left out.

The two sides of one brain are two specimens of the tract: mirrored at the atlas's own midline, they lie up to 4 mm
apart. The tract is their mean shape (mean of signed distances), and its probability falls across the outline with the
distance a single specimen lies from that mean.

The sources give the reason for each part left out, not its size. The shares (none, quarter, third, half), the depth
(0 to 3 mm) and the levels were chosen among some seventy variants by their agreement with two tractography atlases,
XTRACT (Warrington et al., NeuroImage 217, 2020, 116923) and BrainGrid's, on the average of both atlases and both sides;
where neighbours did as well, the rounder number or the one the labels themselves suggest was kept. Neither atlas is
part of the project, and the tract's agreement with them is no independent test. That is the held-out atlas of
`Testing/benchmarks/tract_benchmark.py`: no number here was fitted to it, though of the four wider variants compared
with it earlier, the one that agreed best is the one narrowed here. The looks taken are told there.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage
from scipy.special import ndtr

from ..errors import InputError
from ..files.images import read_map
from ..geometry.image import Image, resample
from ..resources import package_file
from .atlases import load_atlas
from .freesurfer_codes import WHITE_MATTER

# More than 1.3 standard deviations outside the mean outline: one specimen in ten would reach there.
NEGLIGIBLE_PROBABILITY = 0.1

# Left labels of the JHU-MNI atlas; the right one is the next number.
BRAIN_STEM, PEDUNCLE, POSTERIOR_LIMB, SUPERIOR_CORONA, POSTERIOR_CORONA = 55, 63, 67, 73, 75
PRECENTRAL, POSTCENTRAL = 11, 13
# Mirrored there, the two sides' labels agree best (mean Dice of the four lower pairs 0.786; 0.722 at 0, 0.783 at 1 mm).
# The template agrees best with its own mirror image at 0, so the labels are moved by -0.5 mm. Forward and upward no
# shift is called for: the peduncle stands out from its surroundings on the template most within 1 mm of its place.
MIDLINE_MM = 0.5
FRONT_MM = 0.0
# The superior corona radiata's section shrinks above 34 mm (526 mm2 on the left, 238 at 40 mm); 59 mm is the height of
# the hand knob on the template (centre 35 mm lateral, 14 mm wide); at 72 mm some 1 cm2 of the tract is left.
CORONA_TOP_MM, HAND_KNOB_MM, TOP_MM = 34, 59, 72
HAND_KNOB_LATERAL_EDGE_MM = 42.0
# Shares of a section along its long axis, from the front backward.
REAR_TWO_THIRDS, MIDDLE_TWO_THIRDS = (1 / 3, 1.0), (1 / 6, 5 / 6)
SHORT_FIBRES_MM = 1.0
# Root mean square distance along x and y of a section's centre from the mean of both sides, over all sections of the
# brain stem, peduncle, posterior limb and superior corona radiata: the spread between specimens.
SPREAD_MM = 1.7
# Room around the labels; the probability is negligible from 3 mm outside the outline on.
MARGIN_MM = 8


@lru_cache(maxsize=1)
def corticospinal_tract() -> tuple[Image, Image]:
    """Left and right corticospinal tract: probability 0..1, float32, MNI space, 1 mm, read-only.

    The two are mirror images of each other.
    """
    file = nib.as_closest_canonical(nib.load(package_file("deepmriprep", "data", "templates", "mori.nii.gz")))
    ras_from_ijk = np.asarray(file.affine, dtype=float).copy()
    ras_from_ijk[0, 3] -= MIDLINE_MM
    labels = Image(np.asarray(file.dataobj).astype(np.int16), ras_from_ijk)
    tissue = resample(load_atlas("destrieux").labels, labels, nearest=True)
    white = np.isin(tissue.array, WHITE_MATTER)
    left = _specimen(labels, white, right=False)
    right = _mirrored(_specimen(labels, white, right=True), labels)
    box = tuple(
        slice(max(int(ijk.min()) - MARGIN_MM, 0), int(ijk.max()) + MARGIN_MM + 1) for ijk in np.nonzero(left | right)
    )
    probability = np.zeros(labels.shape, np.float32)
    probability[box] = ndtr(-(_signed_distance(left[box]) + _signed_distance(right[box])) / 2 / SPREAD_MM)
    probability[probability < NEGLIGIBLE_PROBABILITY] = 0.0
    sides = probability, _mirrored(probability, labels)
    for array in sides:
        array.flags.writeable = False
    return Image(sides[0], ras_from_ijk), Image(sides[1], ras_from_ijk)


def load_tract_template(left: Path | str, right: Path | str) -> tuple[Image, Image]:
    """A user's own tract: two NIfTI volumes in MNI space, probability or mask.

    Raises
    ------
    InputError : unreadable, not 3D, values outside 0..1, empty, or a tract on the wrong side.
    """
    return _own_tract(Path(left), "left"), _own_tract(Path(right), "right")


def _specimen(labels: Image, white: np.ndarray, right: bool) -> np.ndarray:
    """One side's tract of the atlas, boolean, on the (canonical, 1 mm) grid of the labels."""
    x, y, z = (labels.ras_from_ijk[axis, 3] + np.arange(size) for axis, size in enumerate(labels.shape))

    def of(*left_labels: int) -> np.ndarray:
        return np.isin(labels.array, [label + right for label in left_labels])

    def level(z_mm: float) -> int:
        return round(z_mm - z[0])

    corona, hand, top = level(CORONA_TOP_MM), level(HAND_KNOB_MM), level(TOP_MM)
    postcentral = of(POSTCENTRAL) & white
    rear_mm = np.median([y[postcentral[:, :, k].any(axis=0)].min() for k in range(corona, hand + 1)])
    radiata = of(SUPERIOR_CORONA, POSTERIOR_CORONA) & ((y <= FRONT_MM) & (y >= rear_mm))[None, :, None]
    near = np.abs(x) < HAND_KNOB_LATERAL_EDGE_MM
    # Distances run from voxel centre to voxel centre, the border lies half a voxel nearer.
    inner = np.zeros_like(white)
    inner[:, :, corona:] = ndimage.distance_transform_edt(white[:, :, corona:]) >= SHORT_FIBRES_MM + 0.5
    gyri = of(PRECENTRAL, POSTCENTRAL) & inner & near[:, None, None]
    tract = of(BRAIN_STEM, PEDUNCLE) | _share(of(POSTERIOR_LIMB), *REAR_TWO_THIRDS)
    tract |= _share(radiata, *MIDDLE_TWO_THIRDS)
    tract[:, :, corona + 1 :] = False
    tract[:, :, hand : top + 1] = _share(gyri[:, :, hand : top + 1], *MIDDLE_TWO_THIRDS)
    for k in range(corona + 1, hand):
        tract[:, :, k] = _section_between(tract[:, :, corona], tract[:, :, hand], (k - corona) / (hand - corona))
    return tract


def _share(mask: np.ndarray, first: float, last: float) -> np.ndarray:
    """Of every axial section the voxels from one share of its area to another, along its long axis from the front."""
    kept = np.zeros_like(mask)
    for k in np.flatnonzero(mask.any(axis=(0, 1))):
        ij = np.argwhere(mask[:, :, k])
        offsets = ij - ij.mean(axis=0)
        long_axis = np.linalg.eigh(offsets.T @ offsets)[1][:, 1]
        backward = offsets @ long_axis * (-1 if long_axis[1] > 0 else 1)
        rank = (np.argsort(np.argsort(backward, kind="stable")) + 0.5) / len(ij)
        i, j = ij[(rank >= first) & (rank <= last)].T
        kept[i, j, k] = True
    return kept


def _section_between(below: np.ndarray, above: np.ndarray, share: float) -> np.ndarray:
    """The outline `share` of the way from one section to another: centre and signed distances go over evenly."""
    centres = [np.array(ndimage.center_of_mass(section)) for section in (below, above)]
    centre = centres[0] + (centres[1] - centres[0]) * share
    distances = [
        ndimage.shift(_signed_distance(section), centre - old, order=1, mode="nearest")
        for section, old in zip((below, above), centres, strict=True)
    ]
    return (1 - share) * distances[0] + share * distances[1] < 0


def _mirrored(array: np.ndarray, labels: Image) -> np.ndarray:
    """A volume on the labels' grid, mirrored at x = 0; empty where its mirror image was not covered."""
    partner = np.arange(labels.shape[0], dtype=int)
    partner = round(-2 * labels.ras_from_ijk[0, 3]) - partner
    inside = (partner >= 0) & (partner < labels.shape[0])
    mirrored = np.zeros_like(array)
    mirrored[inside] = array[partner[inside]]
    return mirrored


def _signed_distance(mask: np.ndarray) -> np.ndarray:
    """Distance to the outline of a mask in voxels, negative inside."""
    return ndimage.distance_transform_edt(~mask) - ndimage.distance_transform_edt(mask)


def counted_probability(tract: Image) -> np.ndarray:
    """Probability of a tract, float64, with 0 where it is below `NEGLIGIBLE_PROBABILITY`."""
    probability = np.asarray(tract.array, dtype=np.float64)
    return np.where(probability >= NEGLIGIBLE_PROBABILITY, probability, 0.0)


def _own_tract(path: Path, side: str) -> Image:
    remedy = "Give a NIfTI volume in MNI space with values from 0 to 1, one for each side."
    image = read_map(path, f"The tract template {path}")
    array = image.array
    if not np.isfinite(array).all() or array.min() < 0 or array.max() > 1:
        raise InputError(f"The tract template {path} is not a volume of values from 0 to 1.", remedy)
    ijk = np.argwhere(array >= NEGLIGIBLE_PROBABILITY)
    if len(ijk) == 0:
        raise InputError(f"The tract template {path} is empty.", remedy)
    x_mm = float((image.ras_from_ijk[0, :3] @ ijk.mean(axis=0)) + image.ras_from_ijk[0, 3])
    if (x_mm < 0) != (side == "left"):
        raise InputError(
            f"The tract template {path} was given as the {side} tract but lies on the other side (x = {x_mm:.0f} mm).",
            "Exchange the two files, or check that the file's header does not mirror left and right.",
        )
    return image
