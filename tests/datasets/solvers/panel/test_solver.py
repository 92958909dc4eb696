from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from formwright.datasets.airfoils import cst
from formwright.datasets.airfoils.sections import naca
from formwright.datasets.cases import section_case
from formwright.datasets.errors import ConditionError, SectionError
from formwright.datasets.solvers.panel import coupling, interaction, newton, vortex_panels
from formwright.datasets.solvers.panel.solver import LABELS, Panel, analyse
from formwright.datasets.solvers.result import N_STATIONS

ALPHA = (-2.0, 1.0, 4.0)
FIELDS = ("theta", "delta_star", "shape", "friction")


def columns(*values):
    return [torch.tensor([v], dtype=torch.float64) for v in values]


def ask(pos, alpha=ALPHA, reynolds=1e6, ncrit=9.0, **options):
    alpha = torch.as_tensor(alpha, dtype=torch.float64).expand(len(pos), -1)
    full = torch.full_like(alpha, 1.0)
    with torch.no_grad():
        return analyse(pos, alpha, reynolds * full, ncrit * full, **options)


@pytest.fixture(scope="module")
def cambered():
    return ask(naca("2412").pos[None])


XFOIL = (
    ("0012", 1e6, 0.0, (0.0, 0.00533, 0.0, 0.6868, 0.6868)),
    ("0012", 1e6, 3.0, (0.2980, 0.00628, 0.0098, 0.3731, 0.9235)),
    ("2412", 1e6, -2.0, (0.0247, 0.00645, -0.0558, 0.7917, 0.3080)),
    ("2412", 1e6, 3.0, (0.5691, 0.00638, -0.0505, 0.4680, 0.9762)),
    ("2412", 1e6, 4.0, (0.7118, 0.00715, -0.0572, 0.3927, 0.9918)),
    ("2412", 3e6, -2.0, (0.0162, 0.00567, -0.0535, 0.6633, 0.1948)),
    ("2412", 3e6, 1.0, (0.3255, 0.00514, -0.0473, 0.4815, 0.5593)),
)
"""XFoil 6.99, 160 panels, Ncrit 9: ``LABELS`` of NACA sections at (Re, incidence)."""


@pytest.mark.parametrize(("name", "reynolds", "alpha", "expected"), XFOIL)
def test_labels_are_near_xfoils(name, reynolds, alpha, expected):
    solution = ask(naca(name).pos[None], (alpha,), reynolds=reynolds)
    assert solution.converged.all()
    found = [float(getattr(solution, label)) for label in LABELS]
    assert found[0] == pytest.approx(expected[0], abs=0.02)
    assert math.log(found[1]) == pytest.approx(math.log(expected[1]), abs=0.06)
    assert found[2] == pytest.approx(expected[2], abs=0.004)
    assert found[3:] == pytest.approx(expected[3:], abs=0.03)


def test_a_sweep_converges(cambered):
    assert cambered.converged.all()
    assert cambered.cl[0].tolist() == pytest.approx([0.0247, 0.3085, 0.7118], abs=0.025)
    assert cambered.cd[0].log().tolist() == pytest.approx(
        [math.log(cd) for cd in (0.00645, 0.00539, 0.00715)], abs=0.06
    )


def test_mirror_image(cambered):
    pos = naca("2412").pos
    mirrored = (pos * torch.tensor([1.0, -1.0], dtype=torch.float64)).flip(0)
    other = ask(mirrored[None], [-a for a in ALPHA])
    for name, same, sign in (
        ("cl", "cl", -1),
        ("cd", "cd", 1),
        ("cm", "cm", -1),
        ("xtr_top", "xtr_bottom", 1),
        ("xtr_bottom", "xtr_top", 1),
        ("cp_top", "cp_bottom", 1),
    ):
        found, wanted = getattr(other, name), sign * getattr(cambered, same)
        assert torch.allclose(found, wanted, atol=1e-9, rtol=1e-9), name
    for name in FIELDS:
        assert torch.allclose(getattr(other, name).flip(2), getattr(cambered, name), atol=1e-8)


def test_batch_gives_what_a_loop_gives(cambered):
    pos = torch.stack([naca("2412").pos, naca("2415").pos])
    both = ask(pos, chunk=4)
    for name in LABELS:
        assert torch.allclose(getattr(both, name)[0], getattr(cambered, name)[0], atol=1e-10)
    alone = ask(pos[1:], ALPHA[2:])
    assert torch.allclose(both.cl[1, 2:], alone.cl[0], atol=1e-10)
    assert torch.allclose(both.cd[1, 2:], alone.cd[0], atol=1e-10)


def test_panelling_of_the_input_hardly_matters(cambered):
    other = ask(naca("2412", points_per_side=60).pos[None])
    assert torch.allclose(other.cl, cambered.cl, atol=2e-3)
    assert torch.allclose(other.cd, cambered.cd, rtol=0.01)


def test_panels_converge():
    pos = naca("2412").pos[None]
    coarse, middle, fine = (ask(pos, (1.0,), panels=n) for n in (80, 140, 240))
    assert float((fine.cl - middle.cl).abs()) < float((middle.cl - coarse.cl).abs()) + 1e-4
    assert float((fine.cl - middle.cl).abs()) < 4e-3
    assert float((fine.cd / middle.cd).log().abs()) < 0.01


def test_fields(cambered):
    assert cambered.cp_top.shape == (1, len(ALPHA), N_STATIONS)
    assert (cambered.cp_top[0, -1, 2:20] < cambered.cp_bottom[0, -1, 2:20]).all()
    assert cambered.theta.shape == (1, len(ALPHA), 2, N_STATIONS)
    assert torch.allclose(cambered.delta_star, cambered.theta * cambered.shape, rtol=0.05)
    assert (cambered.theta > 0).all() and (cambered.shape > 1).all()
    x, cp = np.linspace(0, 1, 5), cambered.cp_top
    assert torch.isfinite(cp).all() and float(cp.max()) <= 1.01 and len(x) == 5


def test_gradients_agree_with_differences():
    weights = cst.fit(naca("2412").pos, 6)
    generator = torch.Generator().manual_seed(3)
    direction = 0.1 * torch.randn(len(weights), generator=generator, dtype=torch.float64)
    base = torch.tensor([0.0, 2.0, math.log(8e5), 8.0], dtype=torch.float64)

    def labels(z):
        pos = cst.coordinates(weights + z[0] * direction, 80)[None]
        conditions = (z[1], z[2].exp(), z[3])
        solution = analyse(pos, *(v.reshape(1, 1) for v in conditions), tolerance=1e-9)
        assert solution.converged.all()
        return torch.stack([getattr(solution, n)[0, 0] for n in LABELS])

    exact = torch.as_tensor(torch.autograd.functional.jacobian(labels, base))
    for i, h in enumerate((2e-4, 2e-3, 2e-3, 2e-3)):
        move = torch.zeros(4, dtype=torch.float64)
        move[i] = h
        with torch.no_grad():
            difference = (labels(base + move) - labels(base - move)) / (2 * h)
        scale = exact[:, i].abs() + 1e-3 * exact.abs().amax(-1)
        assert float(((difference - exact[:, i]).abs() / scale).max()) < 0.02


def test_newton_converges_quadratically():
    flow = vortex_panels.flow(vortex_panels.repanel(naca("0012").pos[None], 100))
    conditions = interaction.Conditions(*columns(math.radians(3.0), 1e6, 9.0))
    share = interaction.shares(40, 0.08, flow.nodes)
    with torch.no_grad():
        state, change = coupling.solve(flow, conditions, share, steps=30, tolerance=1e-7)
        speed = interaction.speeds(
            flow, conditions.alpha, state.stop, *newton.fluxes(flow, state), share
        )
        left = newton.residuals(flow, conditions, state, share, speed)
        bent = state._replace(stop=state.stop + 1e-4)
        back = newton.step(flow, conditions, bent, share)
    assert float(change) < 1e-7
    assert max(float(r.abs().max()) for r in (left.sides[:2], left.wake, left.speeds)) < 1e-8
    assert float(back.stop) == pytest.approx(-1e-4, rel=0.05)


def test_solver_gives_results_with_reasons():
    alpha = torch.tensor([0.0, 3.0, 30.0], dtype=torch.float64)
    cases = [
        section_case(naca(name).pos, {"alpha_deg": alpha, "reynolds": torch.full_like(alpha, 1e6)})
        for name in ("0012", "2412")
    ]
    results = list(Panel().solve(cases))
    assert len(results) == 2
    for result in results:
        assert result.reasons[:2] == ("", "")
        assert "separated" in result.reasons[2] or "not converged" in result.reasons[2]
        assert result.converged.tolist() == [True, True, False]
        for values in (*result.labels.values(), *result.fields.values()):
            assert np.isfinite(values[:2]).all() and np.isnan(values[2]).all()
        assert result.solver.startswith("panel") and result.settings["panels"] == 140
    assert results[0].labels["cl"][0] == pytest.approx(0.0, abs=1e-9)


def test_labels_are_finite_far_beyond_stall():
    solution = ask(naca("2412").pos[None], (-30.0, 25.0), reynolds=2e5)
    for name in LABELS:
        assert torch.isfinite(getattr(solution, name)).all()
    assert not solution.converged.all() or float(solution.separation_top.min()) < 0.8


def test_small_mach_number_raises_lift():
    pos, (alpha, reynolds, ncrit) = naca("0012").pos[None], columns([3.0], [2e6], [9.0])
    with torch.no_grad():
        slow = analyse(pos, alpha, reynolds, ncrit)
        fast = analyse(pos, alpha, reynolds, ncrit, torch.full_like(alpha, 0.3))
    assert float(fast.cl / slow.cl) == pytest.approx(1 / math.sqrt(1 - 0.09), rel=0.02)


@pytest.mark.parametrize(
    ("name", "value"),
    [("alpha_deg", 90.0), ("reynolds", -1.0), ("ncrit", math.nan), ("mach", 0.9)],
)
def test_conditions_without_meaning_are_refused(name, value):
    conditions = {"alpha_deg": 0.0, "reynolds": 1e6, "ncrit": 9.0, "mach": 0.0, name: value}
    case = section_case(
        naca("0012").pos,
        {k: torch.tensor([v], dtype=torch.float64) for k, v in conditions.items()},
    )
    with pytest.raises(ConditionError, match=name):
        list(Panel().solve([case]))


def test_sections_that_are_none_are_refused():
    conditions = {name: torch.zeros(1, dtype=torch.float64) for name in ("alpha_deg", "reynolds")}
    for pos in (torch.zeros(2, 2), torch.full((40, 2), torch.nan)):
        with pytest.raises(SectionError, match="points"):
            list(Panel().solve([section_case(pos.double(), conditions)]))
