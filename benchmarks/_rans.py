"""What the peers say of RANS cases, and how far off it is."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from _common import kulfan
from jaxtyping import Float
from scipy.stats import spearmanr

from formwright.datasets.airfoils import cst
from formwright.datasets.cases import section_case
from formwright.datasets.rans.data import FORCES, RansData
from formwright.datasets.solvers.xfoil.solver import XFoil
from formwright.surrogate.rans.wall.flow import wall_flow
from formwright.surrogate.zoo import load

APPROACH_DEG = (-3.0, -2.0, -1.0, 0.0, 1.0)
"""Points of the sweep that brings XFoil to a case, relative to its incidence."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """Forces and, where there is one, wall pressure of cases; NaN where there is no answer."""

    forces: Float[np.ndarray, "cases 3"]
    cp: Float[np.ndarray, "cases 2 stations"] | None = None

    def take(self, rows: np.ndarray) -> Answer:
        """Return some of the cases."""
        return Answer(forces=self.forces[rows], cp=None if self.cp is None else self.cp[rows])


def errors(data: RansData, answer: Answer) -> dict[str, float]:
    """Return the figures of merit over the cases that have an answer."""
    known = np.isfinite(answer.forces).all(1)
    truth, said = data.forces[known], answer.forces[known]
    lift = np.abs(said[:, 0] - truth[:, 0])
    drag = np.abs(said[:, 1] / truth[:, 1] - 1.0)
    found = {
        "cl": float((lift / np.abs(truth[:, 0])).mean()),
        "cl_median": float(np.median(lift / np.abs(truth[:, 0]))),
        "cl_absolute": float(lift.mean()),
        "cl_rank": float(spearmanr(said[:, 0], truth[:, 0]).statistic),
        "cd": float(drag.mean()),
        "cd_median": float(np.median(drag)),
        "cd_rank": float(spearmanr(said[:, 1], truth[:, 1]).statistic),
        "cm_absolute": float(np.abs(said[:, 2] - truth[:, 2]).mean()),
        "answered": float(known.mean()),
    }
    if answer.cp is not None:
        off = np.sqrt(np.square(answer.cp - data.cp)[known].mean((1, 2)))
        found |= {"cp": float(np.nanmean(off)), "cp_median": float(np.nanmedian(off))}
    return found


def potential_answer(data: RansData) -> Answer:
    """Return what the surrogate starts from: the polar, and the potential flow with its lift."""
    with torch.no_grad():
        flow = wall_flow(load("airfoil-polar"), data.batch())
    forces = flow.forces.numpy().copy()
    forces[:, 1] = np.exp(forces[:, 1])
    stations = flow.cp.shape[1] // 2
    cp = np.stack([flow.cp[:, :stations].flip(1).numpy(), flow.cp[:, stations:].numpy()], 1)
    return Answer(forces=forces, cp=cp)


def xfoil_answer(data: RansData, trip: float) -> Answer | None:
    """Return what XFoil says; None where it is not installed."""
    if shutil.which("xfoil") is None:
        return None
    forces = np.full((len(data), 3), np.nan)
    cp = np.full_like(data.cp, np.nan)
    solver, last = XFoil(trip=trip, retries=1), len(APPROACH_DEG) - 2
    for i, case in enumerate(_approached(data)):
        result = next(iter(solver.solve([case])))
        forces[i] = [result.labels[name][last] for name in FORCES]
        cp[i] = [result.fields[name][last] for name in ("cp_top", "cp_bottom")]
    return Answer(forces=forces, cp=cp)


def _approached(data: RansData) -> Iterator:
    """Yield each section at the case's incidence and at those on the way to it."""
    for vector, alpha, reynolds in zip(data.cst, data.alpha_deg, data.reynolds, strict=True):
        points = torch.from_numpy(alpha + np.array(APPROACH_DEG))
        constant = torch.full_like(points, float(reynolds))
        yield section_case(
            cst.coordinates(torch.from_numpy(vector)),
            {"alpha_deg": points, "reynolds": constant, "ncrit": torch.full_like(points, 9.0)},
        )


def neuralfoil_answer(data: RansData, trip: float) -> Answer | None:
    """Return what NeuralFoil says; None where it is not installed."""
    try:
        import neuralfoil
    except ImportError:
        return None
    said = neuralfoil.get_aero_from_kulfan_parameters(
        kulfan(data.cst),
        alpha=data.alpha_deg,
        Re=data.reynolds,
        n_crit=9.0,
        xtr_upper=trip,
        xtr_lower=trip,
        model_size="xxxlarge",
    )
    return Answer(forces=np.stack([said["CL"], said["CD"], said["CM"]], 1))
