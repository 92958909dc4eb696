"""The cells of a C-mesh as a grid: its wall, its cut, and meshes that are none."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from formwright.datasets.airfoils.sections import naca
from formwright.datasets.errors import FlowFileError, SectionError
from formwright.datasets.rans.flow_field import FlowField, Wall
from formwright.datasets.rans.mesh.c_grid import CGrid, coarse_edges, grid_of, section_grid
from formwright.datasets.rans.mesh.cmesh import CMesh

SMALL = CMesh(cells_side=20, cells_wake=8, cells_normal=24, far_field=20.0)


@pytest.fixture(scope="module")
def grid() -> CGrid:
    return section_grid(naca("2412").pos, 3e6, SMALL)


def record(grid: CGrid, cells: np.ndarray) -> FlowField:
    faces, n = len(cells), len(grid.quads)
    wall = Wall(
        centres=np.zeros((faces, 2)),
        normals=np.zeros((faces, 2)),
        lengths=np.ones(faces),
        cp=np.zeros(faces),
        cf=np.zeros((faces, 2)),
        y_plus=np.ones(faces),
        cells=cells,
    )
    return FlowField(
        points=grid.points,
        quads=grid.quads,
        velocity=np.zeros((n, 2), np.float32),
        pressure=np.zeros(n, np.float32),
        nut=np.zeros(n, np.float32),
        wall=wall,
        alpha_deg=0.0,
        reynolds=3e6,
        forces={},
        iterations=0,
        residuals=np.empty((0, 5)),
        quality={},
    )


def test_the_wall_runs_from_the_upper_trailing_edge_around_the_nose(grid: CGrid) -> None:
    wall = grid.points[grid.wall_corners]
    assert len(wall) == 41 and (wall[0] == wall[-1]).all()
    assert wall[0, 0] == pytest.approx(1.0, abs=1e-3)
    assert wall[:, 0].argmin() == 20 and wall[10, 1] > wall[30, 1]
    assert abs(wall[:, 0].min()) < 1e-3


def test_every_wall_cell_lies_above_its_face(grid: CGrid) -> None:
    wall = grid.points[grid.wall_corners]
    step = np.diff(wall, axis=0)
    normal = np.stack([step[:, 1], -step[:, 0]], -1) / np.hypot(*step.T)[:, None]
    offset = grid.centres[grid.wall_cells] - 0.5 * (wall[1:] + wall[:-1])
    height = (offset * normal).sum(1)
    assert (height > 0.0).all()
    assert (np.hypot(*offset.T) < 1.1 * height).all()


def test_the_edges_of_the_grid_are_those_of_the_mesh(grid: CGrid) -> None:
    found = coarse_edges(grid.columns, grid.lines, grid.wake)
    shared = defaultdict(list)
    for cell, quad in enumerate(grid.quads.tolist()):
        for ends in zip(quad, quad[1:] + quad[:1], strict=True):
            shared[frozenset(ends)].append(cell)
    pairs = {tuple(cells) for cells in shared.values() if len(cells) == 2}
    assert {tuple(pair) for pair in found.T.tolist()} == pairs | {(b, a) for a, b in pairs}


def test_a_record_gives_its_grid_back(grid: CGrid) -> None:
    found = grid_of(record(grid, grid.wall_cells))
    assert (found.columns, found.lines, found.wake) == (56, 24, 8)
    assert (found.wall_corners == grid.wall_corners).all()


def test_a_mesh_of_two_blocks_is_refused(grid: CGrid) -> None:
    with pytest.raises(FlowFileError, match="no C-mesh of one block"):
        grid_of(record(grid, np.append(grid.wall_cells, [0, 1])))


def test_a_thin_base_is_closed_and_a_thick_one_refused() -> None:
    pos = naca("0012").pos.clone()
    assert section_grid(pos, 3e6, SMALL).columns == 56
    pos[:100, 1] += 0.02 * pos[:100, 0]
    with pytest.raises(SectionError, match=r"0\.02\d+ chords thick"):
        section_grid(pos, 3e6, SMALL)
