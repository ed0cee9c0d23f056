"""A small three-dimensional U-Net that names the structures of one half of a brain.

U-Net: Cicek 2016. It works on cells of 4 mm: the eight 2 mm voxels of a cell enter as channels and leave as eight times
the classes (sub-pixel convolution, Shi 2016), which keeps the resolution at an eighth of the work. A coarse map of log
probabilities, begun as the mean of the training heads, tells it where in the template it is.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

VOXELS_OF_CELL = 8
# One value of the coarse map for so many voxels along each axis.
PRIOR_VOXELS = 4


class StructureNetwork(nn.Module):
    """Logits of structures from one half of a head.

    Parameters
    ----------
    classes : number of classes.
    channels : features at 4, 8 and 16 mm.
    shape : voxels of the half-brain, multiples of 4.
    """

    def __init__(self, classes: int, channels: Sequence[int], shape: Sequence[int]) -> None:
        super().__init__()
        fine, middle, coarse = channels
        self.classes = classes
        self.fine_in = nn.Sequential(_convolution(VOXELS_OF_CELL, fine), _convolution(fine, fine))
        self.middle_in = nn.Sequential(_convolution(fine, middle), _convolution(middle, middle))
        self.coarse = nn.Sequential(_convolution(middle, coarse), _convolution(coarse, coarse))
        self.to_middle = nn.Conv3d(coarse, middle, 1)
        self.middle_out = _convolution(2 * middle, middle)
        self.to_fine = nn.Conv3d(middle, fine, 1)
        self.fine_out = _convolution(2 * fine, fine)
        self.head = nn.Conv3d(fine, VOXELS_OF_CELL * classes, 1)
        self.prior = nn.Parameter(torch.zeros(1, classes, *(n // PRIOR_VOXELS for n in shape)))

    def forward(self, half: torch.Tensor, within_cell: Sequence[int] | None = None) -> torch.Tensor:
        """Logits, float32, shape (voxels of a cell, classes, I/2, J/2, K/2).

        Parameters
        ----------
        half : intensities, shape (1, 1, I, J, K).
        within_cell : which of a cell's eight voxels to compute, in the order of `to_cells`; all if None. Training on a
            few of them costs less.
        """
        chosen = list(range(VOXELS_OF_CELL) if within_cell is None else within_cell)
        features = self._features(to_cells(half))
        weight = self.head.weight.unflatten(0, (VOXELS_OF_CELL, self.classes))[chosen].flatten(0, 1)
        assert self.head.bias is not None  # a convolution has one unless told otherwise
        bias = self.head.bias.unflatten(0, (VOXELS_OF_CELL, self.classes))[chosen].flatten()
        logits = functional.conv3d(features, weight, bias).unflatten(1, (len(chosen), self.classes))[0]
        return logits.float() + _enlarged(self.prior, features)

    def _features(self, cells: torch.Tensor) -> torch.Tensor:
        fine = self.fine_in(cells)
        middle = self.middle_in(functional.max_pool3d(fine, 2))
        coarse = self.coarse(functional.max_pool3d(middle, 2, ceil_mode=True))
        middle = self.middle_out(torch.cat([middle, _enlarged(self.to_middle(coarse), middle)], dim=1))
        return self.fine_out(torch.cat([fine, _enlarged(self.to_fine(middle), fine)], dim=1))


def to_cells(half: torch.Tensor) -> torch.Tensor:
    """(1, 1, I, J, K) as (1, 8, I/2, J/2, K/2): the voxels of a cell become channels."""
    i, j, k = (n // 2 for n in half.shape[2:])
    return half.reshape(1, i, 2, j, 2, k, 2).permute(0, 2, 4, 6, 1, 3, 5).reshape(1, VOXELS_OF_CELL, i, j, k)


def from_cells(values: torch.Tensor) -> torch.Tensor:
    """(8, C, I/2, J/2, K/2) as (C, I, J, K): the inverse of `to_cells` for C channels."""
    _, channels, i, j, k = values.shape
    apart = values.reshape(2, 2, 2, channels, i, j, k).permute(3, 4, 0, 5, 1, 6, 2)
    return apart.reshape(channels, 2 * i, 2 * j, 2 * k)


def _convolution(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(channels_in, channels_out, 3, padding=1, bias=False),
        nn.InstanceNorm3d(channels_out, affine=True),
        nn.LeakyReLU(0.01, inplace=True),
    )


def _enlarged(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(values, size=like.shape[2:], mode="trilinear", align_corners=False)
