"""The shipped surrogate of RANS fields at the walls of unseen families, from the repository alone.

    python benchmarks/rans_field_walls.py

Truth are walls of the corpus's test cases (``benchmarks/data/rans-2d``), face by face. Each case is
meshed anew from its section, as a user's would be. Beside the grid network stand the potential flow
and plate that it corrects, and ``rans-2d``, which says no friction. What the networks were trained
on and chosen by, and the errors of the fields, is ``rans_fields.py``, which needs the whole corpus.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from _common import Benchmark, save, tell
from _rans_fields import Floor, wall_scores
from _walls import load_walls
from rans_accuracy import RANS, shipped
from torch_geometric.data import Data

from formwright.datasets.rans.data import RansData, read_rans
from formwright.datasets.rans.flow_field import Wall
from formwright.datasets.rans.mesh.c_grid import section_grid
from formwright.surrogate.rans.fields.predict import grid_inputs
from formwright.surrogate.rans.fields.samples import along_wall, question
from formwright.surrogate.rans.fields.surrogate import load_fields
from formwright.surrogate.rans.fields.training import wall_errors

POINTS_PER_SIDE = 200
SAME_PLACE = 1e-5
"""Chords between a face of the corpus's mesh and that of the mesh made here, at most."""


def sample(data: RansData, i: int, wall: Wall, factor: int) -> Data | None:
    """Return case ``i`` with the truth at its wall; None where its trailing edge is blunt.

    Raises:
        SystemExit: The mesh made here is not that of the corpus.
    """
    if not wall.sides.all():
        return None
    pos = data.contours(POINTS_PER_SIDE)[i]
    alpha, reynolds = (torch.tensor(v[i]) for v in (data.alpha_deg, data.reynolds))
    grid = section_grid(pos, float(reynolds))
    nodes = torch.from_numpy(grid.points[grid.wall_corners])
    centres = 0.5 * (nodes[1:] + nodes[:-1]).numpy()
    if len(centres) != len(wall.centres) or np.abs(centres - wall.centres).max() > SAME_PLACE:
        raise SystemExit(
            f"{data.case_ids[i]} has {len(wall.centres)} faces at its wall, elsewhere than the "
            f"{len(centres)} of the mesh made here: the walls were shipped with other settings. "
            "Ship them again (benchmarks/ship_rans.py)."
        )
    case = question(grid, grid_inputs(grid, alpha, reynolds), alpha, reynolds, nodes, factor)
    case.wall_truth = torch.stack([torch.from_numpy(wall.cp), along_wall(wall)], -1).float()
    case.target = torch.zeros(len(case["features"]), 4)
    return case


def of_forces(data: RansData) -> dict[str, float]:
    """Return the scores of ``rans-2d`` that it has in common with a surrogate of fields."""
    from _rans import errors

    found = errors(data, shipped(data)[0])
    return {
        "CD relative": found["cd"],
        "CL Spearman": found["cl_rank"],
        "CD Spearman": found["cd_rank"],
    }


@torch.no_grad()
def main() -> None:
    """Measure, save."""
    torch.set_num_threads(1)
    surrogate, data = load_fields(), read_rans(RANS).of_split("test")
    walls = {case.name: case.wall for case in load_walls()}
    data = data.where(np.isin(data.case_ids, list(walls)))
    found = [
        sample(data, i, walls[name], surrogate.config.factor)
        for i, name in enumerate(data.case_ids)
    ]
    samples = [case for case in found if case is not None]
    tell("cases", len(samples))
    judged = data.where(np.array([case is not None for case in found]))
    floor = Floor(samples, mean=False)
    value = wall_scores(wall_errors(surrogate, samples))
    peers: dict[str, Any] = {
        "potential flow, plate": wall_scores(wall_errors(floor, samples)),
        "rans-2d": of_forces(judged),
    }
    save(
        Benchmark(
            name="rans-field-walls",
            claim=(
                f"rans-fields, as shipped, on the walls of {len(samples)} RANS cases of unseen "
                f"families: pressure with an RMSE of {value['wall cp RMSE']:.3f}, friction within "
                f"{value['wall cf, relative']:.0%} of its mean, drag within "
                f"{value['CD relative']:.1%}."
            ),
            value=value,
            unit="mean over the cases",
            better="lower",
            peers=peers,
            bars={"bar": {"wall cp RMSE": 0.035}},
            split=f"rans-2d test: {len(samples)} of {len(data)} cases, sharp trailing edges",
            notes=(
                "Spearman coefficients: higher is better. Errors of lift are relative to .05 at "
                "least. The test families had been opened by rans_fields.py before."
            ),
        )
    )


if __name__ == "__main__":
    main()
