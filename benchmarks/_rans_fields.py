"""Samples, errors and floors for the surrogates of RANS fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import nn
from torch_geometric.data import Data

from formwright.datasets.c_grid import grid_of
from formwright.datasets.corpus import open_corpus
from formwright.datasets.errors import FlowFileError
from formwright.datasets.flow_field import FlowField, load_flow
from formwright.datasets.rans import flow_file
from formwright.surrogate.checkpoints import load_tensors, save_tensors
from formwright.surrogate.rans_field_training import WallErrors, wall_errors
from formwright.surrogate.rans_fields import Corrections, FieldConfig
from formwright.surrogate.rans_inputs import wall_pressure_scale
from formwright.surrogate.rans_predict import FieldPrediction, grid_inputs, predict_grid
from formwright.surrogate.rans_samples import FACTOR as STORED
from formwright.surrogate.rans_samples import coarser, sample

SPLITS: Final = ("train", "validation", "test")
LEAST_LIFT: Final = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Cases:
    """Samples of a split.

    Attributes:
        names: Of the cases.
        samples: In the same order.
        folder: Of the corpus.
    """

    names: tuple[str, ...]
    samples: tuple[Data, ...]
    folder: Path

    def coarser(self, factor: int) -> Cases:
        """Return the samples on cells joined by ``factor`` in both directions."""
        samples = tuple(coarser(case, factor // STORED) for case in self.samples)
        return replace(self, samples=samples)

    def flow(self, i: int) -> FlowField:
        """Return the record of a case."""
        return load_flow(flow_file(self.folder, self.names[i]))


def cases_of(folder: Path, store: Path) -> dict[str, Cases]:
    """Return the samples of a corpus by split; those made once are kept in ``store``.

    Cases with a blunt trailing edge, whose mesh has a second block, are left out.
    """
    table = open_corpus(folder).read().select(["case_id", "split", "converged"]).to_pydict()
    found: dict[str, list[tuple[str, Data]]] = {name: [] for name in SPLITS}
    rows = zip(table["case_id"], table["split"], table["converged"], strict=True)
    for name, split, converged in sorted(rows):
        if converged and (case := _stored(folder, store, name)) is not None:
            found[split].append((name, case))
    return {
        split: Cases(
            names=tuple(name for name, _ in pairs),
            samples=tuple(case for _, case in pairs),
            folder=folder,
        )
        for split, pairs in found.items()
    }


def _stored(folder: Path, store: Path, name: str) -> Data | None:
    path = store / f"{name}.safetensors"
    if not path.exists():
        store.mkdir(parents=True, exist_ok=True)
        try:
            case = sample(load_flow(flow_file(folder, name)))
        except FlowFileError:
            return None
        tensors = {k: v for k, v in case.to_dict().items() if isinstance(v, torch.Tensor)}
        save_tensors(path, tensors, {})
    case = Data.from_dict(load_tensors(path)[0])
    case.num_nodes = len(case["features"])
    return case


class Floor(nn.Module):
    """The same corrections for every case: nothing, or the mean over the training cases."""

    def __init__(self, samples: Sequence[Data], *, mean: bool) -> None:
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

    def forward(self, batch: Data) -> Corrections:
        cases = len(batch.grid)
        return Corrections(
            decambering=self.slope * batch.alpha_deg,
            cells=self.cells.repeat(cases, 1),
            wall=self.wall.expand(cases, -1, -1),
        )


def _wall(case: Data) -> torch.Tensor:
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
def field_scores(surrogates: Mapping[str, Any], cases: Cases) -> dict[str, dict[str, float]]:
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
    surrogates: Mapping[str, Any], cases: Cases, field_cases: int
) -> dict[str, dict[str, float]]:
    """Return the scores at the wall, and in the field of the first cases, by surrogate."""
    first = replace(cases, names=cases.names[:field_cases])
    fields = field_scores(surrogates, first)
    return {
        name: {**wall_scores(wall_errors(surrogate, cases.samples)), **fields[name]}
        for name, surrogate in surrogates.items()
    }
