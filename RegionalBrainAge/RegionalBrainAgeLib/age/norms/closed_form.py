"""The closed form: ages under the norms' own covariance of all pairs of nodes, inverted. The network's rival."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from .norms import Norms
from .reading import Field
from .scanner import remaining_covariance


@dataclass(frozen=True)
class ClosedForm:
    """Precision of visible nodes from dense covariances.

    Parameters
    ----------
    norms : with the covariances.
    """

    norms: Norms
    _covariances: dict = dataclasses.field(default_factory=dict, repr=False, compare=False)

    def precision(
        self, visible: np.ndarray, controls: int = 0, error_covariance: np.ndarray | None = None
    ) -> np.ndarray:
        """(v, v) inverse covariance of the visible nodes.

        Parameters
        ----------
        visible : (K,) boolean.
        controls : number of healthy people the scanner was calibrated with.
        error_covariance : (K, K) of the route, standardised; None for FreeSurfer.
        """
        if controls not in self._covariances:
            self._covariances[controls] = self.norms.residual_covariance + remaining_covariance(self.norms, controls)
        covariance = self._covariances[controls]
        if error_covariance is not None:
            covariance = covariance + error_covariance
        return np.linalg.inv(covariance[np.ix_(visible, visible)])


@dataclass(frozen=True)
class NaiveBayes:
    """The same nodes in view, each weighed by its own variance as if no node knew of another: no messages at all."""

    field: Field

    def precision(
        self, visible: np.ndarray, controls: int = 0, error_covariance: np.ndarray | None = None
    ) -> np.ndarray:
        """(v, v) diagonal: inverse marginal variances under the field."""
        full = self.field.precision(visible, controls, error_covariance)
        return np.diag(1.0 / np.diag(np.linalg.inv(full)))
