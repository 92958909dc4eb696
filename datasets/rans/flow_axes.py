"""Flow records in other axes: the section's own, or those of its file.

A record stands in axes in which the moment's reference, the quarter chord, is at (0.25, 0). Turned
about it the forces stay what they are, and the incidence turns along.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float

from formwright.datasets.airfoils.contour import Placement
from formwright.datasets.airfoils.section import Section, section_from_points
from formwright.datasets.rans.flow_field import FlowField, Wall
from formwright.datasets.rans.forces import REFERENCE
from formwright.datasets.rans.plane_flow import with_forces


def turned(flow: FlowField, angle_deg: float, about: tuple[float, float] = REFERENCE) -> FlowField:
    """Return a record turned about a point; forces are those that it had.

    Args:
        flow: In any axes.
        angle_deg: Counterclockwise; added to the incidence.
        about: The point that stays, chords.
    """
    angle = np.deg2rad(angle_deg)
    cos, sin = np.cos(angle), np.sin(angle)
    turn, centre = np.array([[cos, sin], [-sin, cos]]), np.array(about)
    wall = dataclasses.replace(
        flow.wall,
        centres=(flow.wall.centres - centre) @ turn + centre,
        normals=flow.wall.normals @ turn,
        cf=flow.wall.cf @ turn,
    )
    return dataclasses.replace(
        flow,
        points=(flow.points - centre) @ turn + centre,
        velocity=(flow.velocity @ turn).astype(flow.velocity.dtype),
        wall=wall,
        alpha_deg=flow.alpha_deg + angle_deg,
    )


def moved(flow: FlowField, by: Float[np.ndarray, " 2"]) -> FlowField:
    """Return a record whose points lie elsewhere; forces are those that it had."""
    wall = dataclasses.replace(flow.wall, centres=flow.wall.centres + by)
    return dataclasses.replace(flow, points=flow.points + by, wall=wall)


def in_file_directions(flow: FlowField, placement: Placement) -> FlowField:
    """Return a record of a section's own axes in the directions of the section's file.

    Example:
        >>> import formwright
        >>> section = formwright.load_section("e387")
        >>> flow = formwright.predict_in_file(formwright.load("rans-fields"), section, 4.0, 3e6)
        >>> turned = formwright.in_file_directions(flow, section.placement)
        >>> round(turned.alpha_deg + section.placement.rotation_deg, 6)
        4.0
    """
    return turned(flow, -placement.rotation_deg)


def file_reference(placement: Placement) -> tuple[float, float]:
    """Return where a file has the quarter chord, in chords of the section."""
    angle = np.deg2rad(placement.rotation_deg)
    x, y = np.array(placement.nose) / placement.chord
    return float(x + REFERENCE[0] * np.cos(angle)), float(y - REFERENCE[0] * np.sin(angle))


def in_own_axes(flow: FlowField, name: str) -> tuple[FlowField, Section]:
    """Return a record in the axes of its section, the nose at the origin, and the section.

    Lengths and coefficients keep their unit. The moment is about (0.25, 0) of the new axes.

    Args:
        flow: In any axes.
        name: Of the section.

    Raises:
        SectionError: The wall is no section.
    """
    section = section_from_points(wall_corners(flow.wall), name, source="wall of a flow")
    nose = section.placement.nose
    own = turned(flow, section.placement.rotation_deg, about=nose)
    return with_forces(moved(own, -np.array(nose))), section


def wall_corners(wall: Wall) -> Float[np.ndarray, "corners 2"]:
    """Return the contour: corners from the upper trailing edge to the lower one, no blunt base."""
    half = 0.5 * wall.lengths[:, None] * np.stack([-wall.normals[:, 1], wall.normals[:, 0]], -1)
    sides = wall.sides
    start, end = (wall.centres - half)[sides], (wall.centres + half)[sides]
    return np.concatenate([start, end[-1:]])
