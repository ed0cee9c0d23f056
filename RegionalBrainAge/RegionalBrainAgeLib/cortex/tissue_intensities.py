"""What grey matter, white matter and fluid look like in this head, and how that drifts from place to place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

# The fluid of the ventricles is the only pure fluid of a head: sulci hold too little for a voxel of their own. It is
# looked for in and near the ventricles. The darkest tenth there is only a start: how dark it is depends on how wide the
# ventricles are, and on whether the white matter around them is dark.
FLUID_START_PERCENTILE = 10.0
FLUID_ROUNDS = 4
FEWEST_FLUID_VOXELS = 20
VENTRICLE_MARGIN_MM = 2.0
HISTOGRAM_BINS = 256
# Partial-volume voxels are modelled as mixtures in these shares of the brighter tissue.
MIXTURE_STEPS = (np.arange(6) + 0.5) / 6
EM_ROUNDS = 200
# The contrast of heads differs: grey matter may lie anywhere between fluid (0) and white matter (1).
GREY_STARTS = (0.35, 0.5, 0.65)
# Reach of the local means, their grid, and how much tissue counts as much as the head's own mean.
LOCAL_SIGMA_MM = 7.0
LOCAL_GRID_MM = 4.0
LOCAL_PRIOR_MM3 = 50.0
LOCAL_ROUNDS = 3


@dataclass(frozen=True)
class TissueIntensities:
    """Means and spreads of the three tissues over a whole head, and their shares among its voxels.

    Parameters
    ----------
    csf, gm, wm : means, in the T1's units; csf < gm < wm.
    csf_sd, gm_sd, wm_sd : standard deviations within the pure tissue.
    shares : ndarray, shape (5,): pure csf, gm, wm, then csf/gm and gm/wm mixtures.
    """

    csf: float
    gm: float
    wm: float
    csf_sd: float
    gm_sd: float
    wm_sd: float
    shares: np.ndarray


def near_ventricles(ventricles: np.ndarray, brain: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray:
    """Where fluid is looked for: ventricles (boolean, from the atlas) and what is around them, else the whole brain."""
    reach = np.ceil(VENTRICLE_MARGIN_MM / spacing_mm).astype(int)
    around = ndimage.maximum_filter(ventricles, size=2 * reach + 1) & brain
    return around if around.any() else brain


def brightest_neighbour(values: np.ndarray) -> np.ndarray:
    """The brightest of each voxel and its six neighbours, shape (I, J, K)."""
    return ndimage.maximum_filter(values, footprint=ndimage.generate_binary_structure(3, 1), mode="nearest")


def fit_head(cerebrum: np.ndarray, near: np.ndarray, neighbour: np.ndarray) -> TissueIntensities:
    """Tissues of a head: `fit_intensities`, with the fluid's mean found along the way.

    Fluid is whatever near the ventricles is darker than half-way from fluid to grey matter, its mean the median of
    that; so ageing's wide ventricles and dark white matter around them leave it where it was. Its neighbours must be
    as dark: in a young brain and large voxels most fluid voxels hold tissue too, and would make the mean too bright.

    Parameters
    ----------
    cerebrum, near : intensities of the cerebrum and of `near_ventricles`, shapes (N,), (M,).
    neighbour : `brightest_neighbour` at the latter, shape (M,).
    """
    histogram = _Histogram.of(cerebrum)
    csf = float(np.percentile(near, FLUID_START_PERCENTILE))
    for _ in range(FLUID_ROUNDS):
        half_way = (csf + _fit(histogram, csf).gm) / 2
        fluid = near[neighbour < half_way]
        if fluid.size < FEWEST_FLUID_VOXELS:
            fluid = near[near < half_way]
        csf = float(np.median(fluid)) if fluid.size else csf
    return _fit(histogram, csf)


def fit_intensities(values: np.ndarray, csf: float) -> TissueIntensities:
    """Fits pure tissues and their partial-volume mixtures to a histogram by EM (Laidlaw 1998).

    Mixtures are normal densities spread evenly between two means: they take the voxels of the borders, so that these
    do not pull on the means of the pure tissues. The fluid's mean is known and kept.

    Parameters
    ----------
    values : intensities inside the cerebrum, shape (N,).
    """
    return _fit(_Histogram.of(values), csf)


@dataclass(frozen=True)
class _Histogram:
    """Bin centres, the shares of voxels in them, and where white matter may be expected."""

    x: np.ndarray
    weight: np.ndarray
    bright: float

    @classmethod
    def of(cls, values: np.ndarray) -> _Histogram:
        counts, edges = np.histogram(values, HISTOGRAM_BINS, range=(0.0, float(np.percentile(values, 99.9)) * 1.05))
        return cls((edges[1:] + edges[:-1]) / 2, counts / counts.sum(), float(np.percentile(values, 90)))


def _fit(histogram: _Histogram, csf: float) -> TissueIntensities:
    x, weight, wm = histogram.x, histogram.weight, histogram.bright
    fits = [_expectation_maximisation(x, weight, csf, csf + start * (wm - csf), wm) for start in GREY_STARTS]
    mean, sd, shares, _ = max(fits, key=lambda fit: fit[3])
    csf, gm, wm = map(float, mean)
    csf_sd, gm_sd, wm_sd = map(float, sd)
    return TissueIntensities(csf, gm, wm, csf_sd, gm_sd, wm_sd, shares)


def _expectation_maximisation(
    x: np.ndarray, weight: np.ndarray, csf: float, gm: float, wm: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Means, spreads, shares and log likelihood reached from one start."""
    mean = np.array([csf, gm, wm])
    sd = np.array([0.06, 0.08, 0.05]) * wm
    narrowest = np.array([0.02, 0.02, 0.01]) * wm
    shares = np.array([0.1, 0.25, 0.25, 0.2, 0.2])
    likelihood = -np.inf
    for _ in range(EM_ROUNDS):
        joint = shares[:, None] * _densities(x, mean, sd)
        density = joint.sum(axis=0) + 1e-300
        likelihood = float(weight @ np.log(density))
        responsibility = joint / density * weight
        shares = responsibility.sum(axis=1)
        pure = responsibility[:3]
        total = pure.sum(axis=1) + 1e-12
        mean = np.array([csf, *((pure @ x) / total)[1:]])
        spread = (pure * (x - mean[:, None]) ** 2).sum(axis=1) / total
        sd = np.maximum(np.sqrt(spread), narrowest)
    return mean, sd, shares, likelihood


def local_means(
    t1: np.ndarray, use: np.ndarray, tissues: TissueIntensities, spacing_mm: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Grey and white matter means at every voxel (float32), smooth over about a centimetre.

    Parameters
    ----------
    t1 : head. use : boolean, where tissue may be sampled (no lesion, no cerebellum).

    What a bias correction leaves behind, and cortex that is richer in myelin, shift the means of a place; the border
    between two tissues lies between the means of *that* place.
    """
    block = np.maximum(1, np.round(LOCAL_GRID_MM / spacing_mm)).astype(int)
    coarse_mm = block * spacing_mm
    prior = LOCAL_PRIOR_MM3 / np.prod(spacing_mm) * np.prod(coarse_mm) / ((2 * np.pi) ** 1.5 * LOCAL_SIGMA_MM**3)
    values = t1[use]
    gm, wm = np.float32(tissues.gm), np.float32(tissues.wm)
    for _ in range(LOCAL_ROUNDS):
        pure_gm, pure_wm = _pure(values, tissues, gm, wm)
        fields = []
        for pure, mean in ((pure_gm, tissues.gm), (pure_wm, tissues.wm)):
            amount, signal = np.zeros(t1.shape, np.float32), np.zeros(t1.shape, np.float32)
            amount[use], signal[use] = pure, pure * (values - mean)
            amount, signal = _block_sums(amount, block), _block_sums(signal, block)
            sigma = LOCAL_SIGMA_MM / coarse_mm
            amount = ndimage.gaussian_filter(amount, sigma, mode="constant")
            signal = ndimage.gaussian_filter(signal, sigma, mode="constant")
            fields.append(_spread_out(mean + signal / (amount + prior), block, t1.shape))
        gm, wm = fields[0][use], fields[1][use]
    return fields[0], fields[1]


def _densities(x: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    def normal(centre: float, width: float) -> np.ndarray:
        return np.exp(-0.5 * ((x - centre) / width) ** 2) / width

    def between(low: int, high: int) -> np.ndarray:
        centres = mean[low] + (mean[high] - mean[low]) * MIXTURE_STEPS
        return np.mean([normal(centre, (sd[low] + sd[high]) / 2) for centre in centres], axis=0)

    return np.stack([*(normal(m, s) for m, s in zip(mean, sd, strict=True)), between(0, 1), between(1, 2)])


def _pure(
    values: np.ndarray, tissues: TissueIntensities, gm: np.ndarray | np.float32, wm: np.ndarray | np.float32
) -> tuple[np.ndarray, np.ndarray]:
    """Probability that a voxel is pure grey, pure white matter, given the means around it.

    Looked up in two tables over the intensity *relative* to the local means (csf 0, gm 1, wm 2).
    """
    relative = np.where(values < gm, (values - tissues.csf) / (gm - tissues.csf), 1 + (values - gm) / (wm - gm))
    grid = np.linspace(-1.0, 4.0, 1001)
    csf_gm, gm_wm = tissues.gm - tissues.csf, tissues.wm - tissues.gm
    x = np.where(grid < 1, tissues.csf + grid * csf_gm, tissues.gm + (grid - 1) * gm_wm)
    mean = np.array([tissues.csf, tissues.gm, tissues.wm])
    sd = np.array([tissues.csf_sd, tissues.gm_sd, tissues.wm_sd])
    joint = tissues.shares[:, None] * _densities(x, mean, sd)
    share = joint / (joint.sum(axis=0) + 1e-300)
    return (
        np.interp(relative, grid, share[1]).astype(np.float32),
        np.interp(relative, grid, share[2]).astype(np.float32),
    )


def _block_sums(volume: np.ndarray, block: np.ndarray) -> np.ndarray:
    padded = np.pad(volume, [(0, int(-n % b)) for n, b in zip(volume.shape, block, strict=True)])
    i, j, k = (n // b for n, b in zip(padded.shape, block, strict=True))
    return padded.reshape(i, block[0], j, block[1], k, block[2]).sum(axis=(1, 3, 5))


def _spread_out(coarse: np.ndarray, block: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Trilinear interpolation of block values (at block centres) back to the voxels."""
    fine = coarse.astype(np.float32)
    for axis, (b, n) in enumerate(zip(block, shape, strict=True)):
        position = np.clip((np.arange(n) + 0.5) / b - 0.5, 0, coarse.shape[axis] - 1)
        below = np.minimum(position.astype(int), max(coarse.shape[axis] - 2, 0))
        above = np.minimum(below + 1, coarse.shape[axis] - 1)
        share = (position - below).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        fine = np.take(fine, below, axis) * (1 - share) + np.take(fine, above, axis) * share
    return fine
