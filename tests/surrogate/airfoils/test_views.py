from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from formwright.datasets.airfoils.cst import coordinates
from formwright.datasets.cases import sections_batch
from formwright.datasets.errors import ViewError
from formwright.datasets.solvers.panel.solver import analyse
from formwright.surrogate.airfoils.curve import arc_length, contours, interpolate
from formwright.surrogate.airfoils.views import (
    Incidence,
    ManufacturingNoise,
    Mirror,
    PartialContour,
    Repanel,
)
from formwright.surrogate.keeps import Keeps, check_keeps
from formwright.surrogate.view import apply

VIEWS = [Repanel(), ManufacturingNoise(), PartialContour(), Mirror(), Incidence()]
LABELS = ("cl", "cd", "cm", "xtr_top", "xtr_bottom", "cp_top", "cp_bottom")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def weights(cases: int = 3, seed: int = 0) -> torch.Tensor:
    lower = torch.tensor([-0.17, -0.15, -0.12, -0.12, -0.1, -0.08])
    upper = torch.tensor([0.18, 0.2, 0.19, 0.22, 0.2, 0.21])
    base = torch.cat([lower, upper, torch.tensor([0.0, 0.002])]).double()
    noise = 0.02 * torch.randn(cases, 14, generator=generator(seed), dtype=torch.float64)
    noise[:, -1] = 0.0
    return base + noise


def batch(cases: int = 3, points: int = 100, seed: int = 0):
    pos = coordinates(weights(cases, seed), points)
    m = 4
    case = sections_batch(
        pos,
        {
            "alpha_deg": torch.linspace(-4, 8, m, dtype=torch.float64).expand(cases, m),
            "reynolds": torch.full((cases, m), 1e6, dtype=torch.float64),
        },
    )
    n = cases * m
    values = torch.randn(n, 5, generator=generator(1), dtype=torch.float64)
    for i, name in enumerate(("cl", "cd", "cm", "xtr_top", "xtr_bottom")):
        case[name] = values[:, i]
    for name in ("cp_top", "cp_bottom"):
        case[name] = torch.randn(n, 32, generator=generator(2), dtype=torch.float64)
    return case


def area(pos: torch.Tensor) -> torch.Tensor:
    x, y = pos.unbind(-1)
    return 0.5 * (x * y.roll(-1, 1) - x.roll(-1, 1) * y).sum(1)


@pytest.mark.parametrize("view", VIEWS, ids=lambda v: type(v).__name__)
class TestEveryView:
    def test_the_input_is_left_alone_and_conditions_too(self, view):
        case = batch()
        before = {k: v.clone() for k, v in case.to_dict().items()}
        view(case, generator())
        assert all(torch.equal(before[k], v) for k, v in case.to_dict().items())

    def test_the_same_generator_gives_the_same_view(self, view):
        a, b, c = (view(batch(), generator(seed)).to_dict() for seed in (5, 5, 6))
        assert all(torch.equal(a[k], b[k]) for k in a)
        assert any(a[k].shape != c[k].shape or not torch.equal(a[k], c[k]) for k in a)

    def test_it_says_what_it_does_to_every_label(self, view):
        assert set(view.keeps) == set(LABELS)

    def test_reynolds_is_never_changed(self, view):
        assert (view(batch(), generator()).reynolds == 1e6).all()

    def test_batch_indices_agree_with_the_points(self, view):
        changed = view(batch(), generator())
        assert changed.ptr[-1] == len(changed.pos) == len(changed.batch)
        assert torch.equal(changed.batch.bincount(), changed.ptr.diff())

    def test_unequal_counts_are_refused(self, view):
        case = batch()
        case.ptr = torch.tensor([0, 100, 300, len(case.pos)])
        with pytest.raises(ViewError, match="equally many points"):
            view(case, generator())


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_repanelled_points_lie_on_the_exact_section(seed):
    parameters = weights(3, seed)
    changed = Repanel()(batch(3, 100, seed), generator(seed))
    pos = contours(changed)
    fine = coordinates(parameters, 4000)
    for i in range(3):
        away = torch.cdist(pos[i], fine[i]).min(1).values
        normal = away.square() - _along(pos[i], fine[i]).square()
        assert normal.clamp_min(0).sqrt().max() < 5e-5
    assert torch.allclose(pos[:, 0], fine[:, 0]) and torch.allclose(pos[:, -1], fine[:, -1])


def _along(points: torch.Tensor, curve: torch.Tensor) -> torch.Tensor:
    """Distance to the nearest node of ``curve``, measured along the curve."""
    nearest = torch.cdist(points, curve).argmin(1)
    before, after = (nearest - 1).clamp_min(0), (nearest + 1).clamp_max(len(curve) - 1)
    tangent = curve[after] - curve[before]
    tangent = tangent / tangent.norm(dim=1, keepdim=True)
    return ((points - curve[nearest]) * tangent).sum(1)


def test_repanel_draws_counts_and_keeps_the_order():
    counts = set()
    for seed in range(8):
        pos = contours(Repanel(fewest=60, most=160)(batch(), generator(seed)))
        counts.add(pos.shape[1])
        assert 119 <= pos.shape[1] <= 319
        assert (arc_length(pos).diff(dim=1) > 0).all()
        assert (pos[:, :, 0].min(1).values < 1e-4).all()
    assert len(counts) > 4


def test_interpolation_is_third_order():
    errors = []
    for points in (100, 200):
        u = torch.linspace(0, 1, points, dtype=torch.float64)[None]
        u = 0.8 * u + 0.2 * u**2
        circle = torch.stack([torch.cos(torch.pi * u), torch.sin(torch.pi * u)], -1)
        s = arc_length(circle)
        at = torch.linspace(0, 0.999, 777, dtype=torch.float64)[None] * s[:, -1:]
        errors.append((interpolate(circle, s, at).norm(dim=-1) - 1).abs().max().item())
    assert errors[1] < errors[0] / 7


def test_noise_has_its_amplitude_and_spares_the_trailing_edge():
    case = batch(64)
    moved = (contours(ManufacturingNoise()(case, generator())) - contours(case)).norm(dim=-1)
    assert moved[:, [0, -1]].max() == 0.0
    assert moved.square().mean().sqrt().item() == pytest.approx(2e-4, rel=0.15)
    rough = ManufacturingNoise(waviness=0.0, roughness=5e-5)(case, generator())
    moved = (contours(rough) - contours(case)).norm(dim=-1)
    assert moved.square().mean().sqrt().item() == pytest.approx(5e-5, rel=0.1)


def test_a_hidden_arc_leaves_no_trace_of_its_shape():
    case, changed = batch(16), PartialContour(least=0.4, most=0.4)(batch(16), generator())
    pos, before = contours(changed), contours(case)
    seen = changed.visible.reshape(16, -1)
    assert torch.equal(pos[seen], before[seen])
    s = arc_length(before)
    for i in range(16):
        hidden = pos[i][~seen[i]]
        share = (s[i][~seen[i]].max() - s[i][~seen[i]].min()) / s[i, -1]
        assert 0.1 < share < 0.2
        chord = hidden[-1] - hidden[0]
        offset = hidden - hidden[0]
        assert (offset[:, 0] * chord[1] - offset[:, 1] * chord[0]).abs().max() < 1e-12


def test_the_mirror_twice_is_the_section_again():
    case, always = batch(), Mirror(probability=1.0)
    twice = apply((always, always), case, generator())
    for name, value in case.to_dict().items():
        assert torch.equal(twice[name], value), name


def test_the_mirror_maps_labels_and_keeps_the_orientation():
    case = batch()
    turned = Mirror(probability=1.0)(case, generator())
    assert torch.equal(turned.cl, -case.cl) and torch.equal(turned.cm, -case.cm)
    assert torch.equal(turned.cd, case.cd) and torch.equal(turned.alpha_deg, -case.alpha_deg)
    assert torch.equal(turned.xtr_top, case.xtr_bottom)
    assert torch.equal(turned.cp_bottom, case.cp_top)
    assert torch.allclose(area(contours(turned)), area(contours(case)), rtol=1e-12)
    assert torch.equal(contours(turned)[:, :, 1], -contours(case).flip(1)[:, :, 1])


def test_the_mirror_turns_some_cases_of_a_batch():
    case = batch(40)
    turned = Mirror()(case, generator())
    flipped = (contours(turned) != contours(case)).flatten(1).any(1)
    assert 8 < flipped.sum() < 32
    assert torch.equal(turned.cl, torch.where(flipped[case.condition_batch], -case.cl, case.cl))


def test_hidden_points_are_mirrored_with_the_contour():
    partial = PartialContour()(batch(), generator())
    turned = Mirror(probability=1.0)(partial, generator())
    assert torch.equal(turned.visible.reshape(3, -1), partial.visible.reshape(3, -1).flip(1))


def test_incidence_keeps_points_with_their_labels():
    case, fewer = batch(), Incidence(count=2)(batch(), generator())
    assert torch.equal(fewer.condition_batch, torch.tensor([0, 0, 1, 1, 2, 2]))
    for row in range(6):
        match = (case.cl == fewer.cl[row]).nonzero()[0, 0]
        assert case.alpha_deg[match] == fewer.alpha_deg[row]
        assert case.condition_batch[match] == fewer.condition_batch[row]
        assert torch.equal(case.cp_top[match], fewer.cp_top[row])
    assert torch.equal(fewer.pos, case.pos)
    with pytest.raises(ViewError, match="count=5"):
        Incidence(count=5)(case, generator())


def test_a_forbidden_view_is_refused_by_name():
    with pytest.raises(ViewError, match="ManufacturingNoise is forbidden for 'xtr_top'"):
        check_keeps([Repanel(), ManufacturingNoise()], ["cl", "xtr_top"])
    check_keeps(VIEWS, ["cl", "cd", "cm"])
    assert Mirror().keeps["cl"] is Keeps.EQUIVARIANT


def test_a_label_that_no_view_speaks_of_is_refused():
    with pytest.raises(ViewError, match="does not say what it does to 'flutter_speed'"):
        check_keeps([Repanel()], ["flutter_speed"])


class TestClaimsAgainstTheSolver:
    """What a view says of the labels, held against the panel method."""

    def polar(self, case):
        shape = (3, -1)
        alpha, reynolds = case.alpha_deg.reshape(shape), case.reynolds.reshape(shape)
        with torch.no_grad():
            return analyse(contours(case), alpha, reynolds, panels=80, stations=32, steps=30)

    def test_the_mirror_is_exact(self):
        case = batch()
        turned = self.polar(Mirror(probability=1.0)(case, generator()))
        plain = self.polar(case)
        assert torch.allclose(turned.cl, -plain.cl, atol=1e-7)
        assert torch.allclose(turned.cm, -plain.cm, atol=1e-7)
        assert torch.allclose(turned.cd, plain.cd, rtol=1e-6)
        assert torch.allclose(turned.xtr_top, plain.xtr_bottom, atol=1e-6)
        assert torch.allclose(turned.cp_top, plain.cp_bottom, atol=1e-6)

    @pytest.mark.parametrize("view", [Repanel(), ManufacturingNoise()], ids=repr)
    def test_lift_moment_and_drag_stay(self, view):
        case = batch()
        plain, changed = self.polar(case), self.polar(view(case, generator()))
        assert (changed.cl - plain.cl).abs().median() < 0.01
        assert (changed.cm - plain.cm).abs().median() < 0.003
        assert (changed.cd.log() - plain.cd.log()).abs().median() < 0.04
