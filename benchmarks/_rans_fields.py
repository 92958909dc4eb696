"""Errors and floors for the surrogates of RANS fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from formwright.datasets.cases import Case
from formwright.datasets.rans.flow_field import FlowField
from formwright.datasets.rans.mesh.c_grid import grid_of
from formwright.surrogate.rans.fields.cases import FieldCases
from formwright.surrogate.rans.fields.inputs import wall_pressure_scale
from formwright.surrogate.rans.fields.network import Corrections, FieldConfig
from formwright.surrogate.rans.fields.predict import FieldPrediction, grid_inputs, predict_grid
from formwright.surrogate.rans.fields.training import WallErrors, wall_errors

LEAST_LIFT: Final = 0.05


class Floor(nn.Module):
    """The same corrections for every case: nothing, or the mean over the training cases."""

    def __init__(self, samples: Sequence[Case], *, mean: bool) -> None:
        super().__init__()
        self.config = FieldConfig()
        self.precision = nn.Buffer(torch.zeros(()))
        first = samples[0]
        self.cells, self.wall = (
            torch.zeros_like(first.target),
            torch.zeros(len(first.wall_prior), 2),
        )
        self.slope = 0.0
        if mean:
            self.cells = torch.stack([s.target for s in samples]).mean(0)
            self.wall = torch.stack([_wall(s) for s in samples]).mean(0)
            turn = torch.cat([s.decambering for s in samples])
            alpha = torch.cat([s.alpha_deg for s in samples])
            self.slope = float((turn * alpha).sum() / alpha.square().sum())

    def forward(self, batch: Case) -> Corrections:
        cases = len(batch.grid)
        return Corrections(
            decambering=self.slope * batch.alpha_deg,
            cells=self.cells.repeat(cases, 1),
            wall=self.wall.expand(cases, -1, -1),
        )


def _wall(case: Case) -> torch.Tensor:
    speed, turning, friction, scale = case["wall_prior"].unbind(-1)
    turned = speed + case["decambering"] * turning
    cp, cf = case["wall_truth"].unbind(-1)
    pressure = (cp - 1.0 + turned.square()) / wall_pressure_scale(speed)
    return torch.stack([pressure, ((cf - friction) / (scale + 1e-9)).clamp(-2.0, 2.0)], -1)


def wall_scores(errors: WallErrors) -> dict[str, float]:
    """Return means over the cases of a split."""
    from scipy.stats import spearmanr

    lift = (errors.cl - errors.cl_true).abs() / errors.cl_true.abs().clamp_min(LEAST_LIFT)
    drag = (errors.cd - errors.cd_true).abs() / errors.cd_true
    return {
        "wall cp RMSE": float(errors.cp.mean()),
        "wall cp RMSE, median": float(errors.cp.median()),
        "wall cf, relative": float(errors.cf.mean()),
        "CL relative": float(lift.mean()),
        "CD relative": float(drag.mean()),
        "CL Spearman": float(spearmanr(errors.cl, errors.cl_true).statistic),
        "CD Spearman": float(spearmanr(errors.cd, errors.cd_true).statistic),
    }


@torch.no_grad()
def field_scores(surrogates: Mapping[str, Any], cases: FieldCases) -> dict[str, dict[str, float]]:
    """Return root mean square errors over all cells of a case, as means over the cases."""
    rows: dict[str, list[list[float]]] = {name: [] for name in surrogates}
    for i in range(len(cases.names)):
        flow = cases.flow(i)
        grid = grid_of(flow)
        alpha, reynolds = (
            torch.tensor(value, dtype=torch.float64) for value in (flow.alpha_deg, flow.reynolds)
        )
        inputs = grid_inputs(grid, alpha, reynolds)
        for name, surrogate in surrogates.items():
            found = predict_grid(surrogate, grid, alpha, reynolds, inputs=inputs)
            rows[name].append(_field_errors(flow, found))
    names = ("velocity RMSE", "pressure RMSE", "nut, relative")
    return {
        name: dict(zip(names, np.mean(part, 0).tolist(), strict=True))
        for name, part in rows.items()
    }


def _field_errors(flow: FlowField, found: FieldPrediction) -> list[float]:
    off = found.velocity.numpy() - flow.velocity
    nut = found.nut.numpy() - flow.nut
    return [
        float(np.sqrt((off**2).sum(1).mean())),
        float(np.sqrt(((found.pressure.numpy() - flow.pressure) ** 2).mean())),
        float(np.sqrt((nut**2).mean() / (flow.nut**2).mean())),
    ]


def scores(
    surrogates: Mapping[str, Any], cases: FieldCases, field_cases: int
) -> dict[str, dict[str, float]]:
    """Return the scores at the wall, and in the field of the first cases, by surrogate."""
    first = replace(cases, names=cases.names[:field_cases])
    fields = field_scores(surrogates, first)
    return {
        name: {**wall_scores(wall_errors(surrogate, cases.samples)), **fields[name]}
        for name, surrogate in surrogates.items()
    }
