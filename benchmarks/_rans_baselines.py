"""Gaussian processes on RANS cases, by scikit-learn: what few labels are usually fitted with.

``morphed`` is the recipe that won ML4CFD 2024: every mesh morphed onto a common one (here the wall
at common stations), principal components of shapes and of fields, a Gaussian process from the first
to the second and to the forces. ``cst`` goes from the CST vector.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from _rans import Answer
from jaxtyping import Float
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from formwright.datasets.airfoils.surface import stations_y
from formwright.datasets.rans.data import RansData

SHAPE_MODES: Final = 10
FIELD_MODES: Final = 10
STATIONS: Final = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Basis:
    """Principal components, scaled by the deviation of the first."""

    mean: Float[np.ndarray, " width"]
    rows: Float[np.ndarray, "modes width"]

    @classmethod
    def of(cls, values: Float[np.ndarray, "cases width"], modes: int) -> Basis:
        """Return the first components of values."""
        mean = values.mean(0)
        _, _, rows = np.linalg.svd(values - mean, full_matrices=False)
        return cls(mean=mean, rows=rows[:modes])

    def of_values(self, values: np.ndarray) -> np.ndarray:
        """Return the components of values."""
        return (values - self.mean) @ self.rows.T

    def values(self, components: np.ndarray) -> np.ndarray:
        """Return the values of components."""
        return self.mean + components @ self.rows


def heights(data: RansData) -> Float[np.ndarray, "cases heights"]:
    """Return the walls at common stations."""
    return stations_y(data.contours(), STATIONS).numpy()


def gaussian_process(
    learning: RansData, shape: Callable[[RansData], np.ndarray]
) -> Callable[[RansData], Answer]:
    """Fit forces and pressure; return what predicts them.

    Args:
        learning: Training cases.
        shape: From cases to the numbers that describe their sections.
    """

    def inputs(data: RansData) -> np.ndarray:
        conditions = np.stack([data.alpha_deg / 5.0, np.log(data.reynolds / 3e6)], 1)
        return np.concatenate([shape(data), conditions], 1)

    x = inputs(learning)
    centre, scale = x.mean(0), x.std(0) + 1e-9
    z = (x - centre) / scale
    fields = Basis.of(learning.cp.reshape(len(learning), -1), FIELD_MODES)
    targets = {
        "cl": learning.forces[:, 0],
        "ln cd": np.log(learning.forces[:, 1]),
        "cm": learning.forces[:, 2],
        "cp": fields.of_values(learning.cp.reshape(len(learning), -1)),
    }
    fitted = {name: _fit(z, target) for name, target in targets.items()}

    def predict(data: RansData) -> Answer:
        at = (inputs(data) - centre) / scale
        said = {name: process.predict(at) for name, process in fitted.items()}
        forces = np.stack([said["cl"], np.exp(said["ln cd"]), said["cm"]], 1)
        return Answer(forces=forces, cp=fields.values(said["cp"]).reshape(len(data), 2, -1))

    return predict


def morphed(learning: RansData) -> Callable[[RansData], Answer]:
    """Fit the morphing, PCA and Gaussian process recipe."""
    basis = Basis.of(heights(learning), min(SHAPE_MODES, len(learning) - 1))
    return gaussian_process(learning, lambda data: basis.of_values(heights(data)))


def from_cst(learning: RansData) -> Callable[[RansData], Answer]:
    """Fit a Gaussian process on CST vectors."""
    return gaussian_process(learning, lambda data: data.cst)


def _fit(x: np.ndarray, y: np.ndarray) -> Any:
    """Return a Gaussian process with one length a feature, by marginal likelihood."""
    kernel = ConstantKernel(1.0, (1e-2, 1e3)) * Matern(
        np.full(x.shape[1], 3.0), (0.1, 1e3), nu=2.5
    ) + WhiteKernel(1e-4, (1e-8, 1.0))
    process = GaussianProcessRegressor(kernel, normalize_y=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return process.fit(x, y)


BASELINES: Final = {"morphing + PCA + GP": morphed, "CST + GP": from_cst}
torch.set_num_threads(1)
