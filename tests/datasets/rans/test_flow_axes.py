"""A record turned about the quarter chord keeps its forces, and comes back into its own axes."""

from __future__ import annotations

import numpy as np
import pytest

from formwright.datasets.airfoils.sections import naca, normalise
from formwright.datasets.rans.flow_axes import (
    file_reference,
    in_file_directions,
    in_own_axes,
    moved,
    turned,
    wall_corners,
)
from formwright.datasets.rans.flow_field import FlowField
from formwright.datasets.rans.forces import integrate_flow
from formwright.datasets.rans.mesh.cmesh import CMesh, c_mesh
from formwright.datasets.rans.plane_flow import flow_from_plane

FORCES = ("cl", "cd", "cm")


@pytest.fixture(scope="module")
def flow() -> FlowField:
    settings = CMesh(cells_side=40, cells_wake=8, cells_normal=8, first_cell=1e-3)
    mesh = c_mesh(naca("4412").pos, settings)
    points, quads = mesh.points[: len(mesh.points) // 2, :2], mesh.cells[:, :4]
    noise = np.random.default_rng(0).normal(size=(4, len(quads)))
    return flow_from_plane(
        points,
        quads,
        velocity=noise[:2].T,
        pressure=noise[2],
        nut=np.abs(noise[3]),
        alpha_deg=3.0,
        reynolds=2e6,
    )


def test_forces_stay_when_a_record_is_turned(flow):
    other = turned(flow, 7.0)
    assert other.alpha_deg == pytest.approx(10.0)
    for name in FORCES:
        assert float(getattr(integrate_flow(other), name)) == pytest.approx(flow.forces[name])
    stream, before = other.velocity[5], flow.velocity[5]
    angle = np.rad2deg(np.arctan2(*stream[::-1]) - np.arctan2(*before[::-1]))
    assert angle % 360.0 == pytest.approx(7.0, abs=1e-3)
    back = turned(other, -7.0)
    for name in ("points", "velocity"):
        assert np.allclose(getattr(back, name), getattr(flow, name), atol=1e-6)
    assert np.allclose(back.wall.cf, flow.wall.cf, rtol=1e-9, atol=1e-15)


def test_where_a_file_has_the_section_and_back(flow):
    pos, placement = normalise(5.0 * turned_points(naca("4412").pos, -2.0) + 3.0)
    assert placement.rotation_deg == pytest.approx(2.0, abs=1e-9)
    there = in_file_directions(flow, placement)
    by = np.array(file_reference(placement)) - [0.25, 0.0]
    lying = moved(there, by)
    wanted = 5.0 * turned_points(naca("4412").pos, -2.0) + 3.0
    assert np.allclose(5.0 * wall_corners(lying.wall)[[0, -1]], wanted[[0, -1]], atol=1e-9)
    assert lying.alpha_deg == pytest.approx(1.0)
    own, section = in_own_axes(lying, "a")
    assert own.alpha_deg == pytest.approx(3.0, abs=0.05)
    near = np.hypot(*flow.points.T) < 2.0
    assert np.allclose(own.points[near], flow.points[near], atol=2e-3)
    for name in ("cl", "cd"):
        assert own.forces[name] == pytest.approx(flow.forces[name], rel=1e-6)
    assert section.placement.rotation_deg == pytest.approx(2.0, abs=0.05)


def turned_points(pos, angle_deg: float):
    angle = np.deg2rad(angle_deg)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return pos @ pos.new_tensor(turn)
