"""The force integrator: exact gradients, a circle's potential flow, masks, rotation, real units."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from formwright.datasets.rans.forces import Forces, integrate, wall_geometry

FACES = 7


def wall(seed: int, batch: tuple[int, ...] = ()) -> tuple[Tensor, ...]:
    """Return centres, normals, lengths, cp, cf and incidence at random."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn((*batch, *shape), generator=generator, dtype=torch.float64)

    angle = draw(FACES)
    normals = torch.stack([angle.cos(), angle.sin()], -1)
    return draw(FACES, 2), normals, draw(FACES).exp(), draw(FACES), draw(FACES, 2), draw()


def stacked(forces: Forces) -> Tensor:
    names = ("cl", "cd", "cm", "cl_pressure", "cl_friction", "cd_pressure", "cd_friction")
    return torch.stack([getattr(forces, name) for name in names], -1)


@pytest.mark.parametrize("masked", [False, True])
def test_gradients_to_everything_agree_with_finite_differences(masked):
    inputs = tuple(t.requires_grad_() for t in wall(0, (2,)))
    mask = torch.arange(FACES) < torch.tensor([[4], [FACES]]) if masked else None
    assert torch.autograd.gradcheck(lambda *t: stacked(integrate(*t, mask=mask)), inputs)


def test_gradients_reach_the_corners_of_the_wall():
    angle = torch.linspace(0.3, 6.0, FACES + 1, dtype=torch.float64)
    ends = torch.stack([angle.cos(), 0.4 * angle.sin()], -1).requires_grad_()
    _, _, _, cp, cf, alpha = wall(1)

    def forces(corners: Tensor) -> Tensor:
        return stacked(integrate(*wall_geometry(corners), cp, cf, alpha))

    assert torch.autograd.gradcheck(forces, (ends,))


def test_faces_outside_the_mask_do_not_count():
    inputs = wall(2)
    short = integrate(*(t[:4] if t.ndim else t for t in inputs))
    long = integrate(*inputs, mask=torch.arange(FACES) < 4)
    assert torch.equal(stacked(short), stacked(long))


def test_a_batch_is_the_loop_over_its_members():
    inputs = wall(3, (3,))
    loop = torch.stack([stacked(integrate(*(t[i] for t in inputs))) for i in range(3)])
    torch.testing.assert_close(stacked(integrate(*inputs)), loop, rtol=1e-13, atol=1e-13)


def test_lift_and_drag_turn_with_the_free_stream():
    centres, normals, lengths, cp, cf, _ = wall(4)
    at_rest = integrate(centres, normals, lengths, cp, cf, torch.tensor(0.0).double())
    across = integrate(centres, normals, lengths, cp, cf, torch.tensor(90.0).double())
    torch.testing.assert_close(across.cd, at_rest.cl, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(across.cl, -at_rest.cd, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(across.cm, at_rest.cm)


@pytest.mark.parametrize("spin", [0.0, 1.0])
def test_a_spinning_cylinder_has_the_lift_of_kutta_and_joukowski(spin):
    angle = torch.linspace(0.0, 2.0 * math.pi, 2001, dtype=torch.float64)
    centres, normals, lengths = wall_geometry(
        torch.stack([0.5 + 0.5 * angle.cos(), 0.5 * angle.sin()], -1)
    )
    around = torch.atan2(normals[:, 1], normals[:, 0])
    speed = 2.0 * around.sin() + spin / math.pi
    zero = torch.zeros_like(centres)
    forces = integrate(centres, normals, lengths, 1.0 - speed**2, zero, torch.tensor(0.0).double())
    assert float(forces.cl) == pytest.approx(2.0 * spin, abs=1e-4)
    assert float(forces.cd) == pytest.approx(0.0, abs=1e-10)
    assert float(forces.cm) == pytest.approx(-0.25 * 2.0 * spin, abs=1e-4)


def test_friction_along_the_chord_is_drag_alone():
    centres = torch.tensor([[0.25, 0.1], [0.25, -0.1]], dtype=torch.float64)
    normals = torch.tensor([[0.0, 1.0], [0.0, -1.0]], dtype=torch.float64)
    cf = torch.tensor([[0.003, 0.0], [0.003, 0.0]], dtype=torch.float64)
    ones, alpha = torch.ones(2, dtype=torch.float64), torch.tensor(0.0).double()
    forces = integrate(centres, normals, ones, 0.0 * ones, cf, alpha)
    assert float(forces.cd_friction) == pytest.approx(0.006, rel=1e-12)
    assert float(forces.cl) == float(forces.cd_pressure) == 0.0
