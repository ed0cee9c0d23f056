"""Takes the scanner's slow shading out of a head."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ..geometry.image import Image, check_canonical, from_sitk, to_sitk
from ..threads import one_itk_thread


def correct_bias(t1: Image, brain: Image, lesion: Image | None = None) -> Image:
    """The head without slow shading, float32, in the T1's own units; N4 (Tustison 2010) at a quarter of the resolution.

    The field is estimated inside the brain with the lesion left out, so that a dark lesion is not brightened away, and
    applied to the whole head. The same head gives the same bits, whatever the number of threads.
    """
    check_canonical(t1, brain, lesion)
    use = brain.array if lesion is None else brain.array & ~lesion.array
    volume = to_sitk(t1.like(np.clip(t1.array, 0, None).astype(np.float32)))
    mask = to_sitk(t1.like(use))
    # About 4 mm a side whatever the voxels: the field is slower than that.
    shrink = [max(1, round(4.0 / s)) for s in t1.spacing_mm]
    with one_itk_thread():
        n4 = sitk.N4BiasFieldCorrectionImageFilter()
        n4.SetMaximumNumberOfIterations([50, 50, 30, 20])
        n4.Execute(sitk.Shrink(volume, shrink), sitk.Shrink(mask, shrink))
        field = from_sitk(n4.GetLogBiasFieldAsImage(volume)).array
    # The scale is arbitrary: leave the brain's mean as it was.
    corrected = t1.array * np.exp(np.clip(field[use].mean() - field, -2, 2))
    return t1.like(corrected.astype(np.float32))
