from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch_geometric.data import Data

from formwright.datasets.errors import CorpusError, ViewError
from formwright.datasets.pde.equations import equation, simulate
from formwright.datasets.pde.runs import FieldRuns, alike_runs, field_batch, grid_values
from formwright.datasets.pde.spectral import Grid
from formwright.surrogate.keeps import Keeps, check_keeps
from formwright.surrogate.pde.encoder import FieldCNN
from formwright.surrogate.pde.symmetries import (
    Galilean,
    Parity,
    QuarterTurn,
    Reflect,
    Rescale,
    Shift,
    ShiftReflect,
    backwards_turn,
)
from formwright.surrogate.pde.views import (
    Amplitude,
    Coarsen,
    Fidelity,
    Mask,
    Noise,
    PairedRuns,
    TimeLag,
    Window,
)
from formwright.surrogate.pretraining.matching import ViewMatch
from formwright.surrogate.pretraining.pretrain import PretrainConfig, pretrain_network
from formwright.surrogate.training.loop import TrainConfig

INTERVAL = 2e-3
LENGTHS = {"burgers": 2 * math.pi, "kuramoto-sivashinsky": 22.0, "kdv": 20.0, "flow2d": 2 * math.pi}


def solved(name: str, forced: bool = True, waves: int = 2) -> Data:
    """A few frames close in time of two runs, as a batch of cases in double precision."""
    what = equation(name)
    if name == "flow2d":
        what = replace(what, waves=waves)
    axes = what.DIMENSIONS
    n = 32 if axes == 2 else 96
    grid = Grid(points=(n,) * axes, lengths=(LENGTHS[name],) * axes)
    generator = torch.Generator().manual_seed(1)
    u = torch.zeros(2, *grid.points, dtype=torch.float64)
    for _ in range(5):
        angle = 2 * math.pi * torch.rand(2, generator=generator, dtype=torch.float64)
        angle = angle.reshape(-1, *[1] * axes)
        for x, length in zip(grid.coordinates(), grid.lengths, strict=True):
            m = int(torch.randint(1, 4, (1,), generator=generator))
            angle = angle + 2 * math.pi * m * x / length
        u = u + 0.4 * torch.cos(angle)
    values = {"viscosity": 0.1, "dispersion": 0.8, "drag": 0.2, "forcing": 1.0 if forced else 0.0}
    parameters = {
        k: torch.tensor([values[k], 0.8 * values[k]], dtype=torch.float64) for k in what.PARAMETERS
    }
    frames = simulate(what, grid, u, parameters, frames=5, interval=INTERVAL, substeps=2)
    whole = torch.ones(2, dtype=torch.float64)
    spacing = torch.tensor([grid.spacing] * 2, dtype=torch.float64)
    return field_batch(frames[:, :, None], spacing, INTERVAL * whole, 0 * whole, **parameters)


@pytest.fixture
def residual(tendency):
    def error(case: Data, name: str, waves: int = 2) -> float:
        """Relative error of u_t = tendency in the middle frame, by a fourth-order difference."""
        what = equation(name)
        if name == "flow2d":
            what = replace(what, waves=waves)
        u = grid_values(case)[:, :, 0]
        space = tuple(u.shape[2:])
        lengths = tuple((case.spacing[0] * torch.tensor(space)).tolist())
        grid = Grid(points=space, lengths=lengths)
        step = case.interval.reshape(-1, *[1] * len(space))
        rate = (u[:, 0] - 8 * u[:, 1] + 8 * u[:, 3] - u[:, 4]) / (12 * step)
        given = {k: case[k] for k in what.PARAMETERS}
        wanted = tendency(what, grid, u[:, 2], given)
        return float((rate - wanted).norm() / rate.norm())

    return error


def changed(case: Data, view, seed: int = 0) -> Data:
    after = view(case, torch.Generator().manual_seed(seed))
    assert not torch.equal(after.field, case.field)
    return after


TRUE = [
    ("burgers", Shift(), True),
    ("burgers", Parity(probability=1.0), True),
    ("burgers", Galilean(), True),
    ("burgers", Rescale(), True),
    ("kuramoto-sivashinsky", Shift(equation="kuramoto-sivashinsky"), True),
    ("kuramoto-sivashinsky", Parity(equation="kuramoto-sivashinsky", probability=1.0), True),
    ("kuramoto-sivashinsky", Galilean(equation="kuramoto-sivashinsky"), True),
    ("kdv", Shift(equation="kdv"), True),
    ("kdv", Galilean(equation="kdv"), True),
    ("kdv", Rescale(equation="kdv"), True),
    ("flow2d", Shift(equation="flow2d", waves=2), True),
    ("flow2d", Shift(equation="flow2d"), False),
    ("flow2d", Parity(equation="flow2d", probability=1.0), True),
    ("flow2d", Rescale(equation="flow2d"), True),
    ("flow2d", ShiftReflect(waves=2, probability=1.0), True),
    ("flow2d", QuarterTurn(forced=False), False),
    ("flow2d", Reflect(forced=False, probability=1.0), False),
]
FALSE = [
    ("burgers", Amplitude(least=1.5, most=2.0), True),
    ("kdv", Parity(equation="kdv", probability=1.0), True),
    ("kuramoto-sivashinsky", Rescale(equation="kuramoto-sivashinsky", least=1.5), True),
    ("flow2d", Amplitude(equation="flow2d", least=1.5), True),
    ("flow2d", QuarterTurn(forced=True), True),
    ("flow2d", Reflect(forced=True, probability=1.0), True),
    ("flow2d", Shift(equation="flow2d"), True),
]


@pytest.mark.parametrize("name", LENGTHS)
def test_solutions_have_no_residual(residual, name: str):
    assert residual(solved(name), name) < 1e-6


@pytest.mark.parametrize("name, view, forced", TRUE, ids=lambda v: type(v).__name__)
def test_a_true_symmetry_leaves_a_solution(residual, name: str, view, forced: bool):
    case = solved(name, forced)
    after = changed(case, view, seed=3)
    assert residual(after, name) < 1e-6
    exact = view.keeps[equation(name).PARAMETERS[0]] is Keeps.EXACT
    for label in equation(name).PARAMETERS:
        assert torch.equal(after[label], case[label]) == (
            exact or not forced and label == "forcing"
        )


@pytest.mark.parametrize("name, view, forced", FALSE, ids=lambda v: type(v).__name__)
def test_a_false_one_does_not(residual, name: str, view, forced: bool):
    case = solved(name, forced)
    worst = max(residual(view(case, torch.Generator().manual_seed(s)), name) for s in range(4))
    assert worst > 0.02


@pytest.mark.parametrize(
    "view",
    [
        Amplitude(),
        Parity(equation="kdv"),
        Rescale(equation="kuramoto-sivashinsky"),
        QuarterTurn(),
        Reflect(),
        Galilean(equation="flow2d"),
    ],
    ids=lambda v: type(v).__name__,
)
def test_forbidden_pairs_are_refused_by_name(view):
    label = next(iter(view.keeps))
    with pytest.raises(ViewError, match=f"{type(view).__name__} is forbidden for '{label}'"):
        check_keeps([view], [label])


def test_a_label_of_another_equation_is_refused():
    with pytest.raises(ViewError, match="does not say what it does to 'dispersion'"):
        check_keeps([TimeLag()], ["dispersion"])
    check_keeps([TimeLag(equation="kdv"), Noise(equation="kdv")], ["dispersion"])


def long_runs(runs: int = 6, frames: int = 12, points: int = 32) -> FieldRuns:
    generator = torch.Generator().manual_seed(0)
    return alike_runs(
        values=torch.randn(runs, frames, 1, points, generator=generator),
        spacing=(0.1,),
        interval=0.5,
        start=1.0,
        labels={"viscosity": torch.rand(runs, generator=generator, dtype=torch.float64)},
        names=("u",),
    )


def test_waiting_gives_two_windows_of_one_run():
    case = long_runs().batch(torch.arange(6))
    generator = torch.Generator().manual_seed(0)
    a, b = (TimeLag(frames=4)(case, generator) for _ in range(2))
    assert not TimeLag.joint and Window.joint
    assert (a.start != b.start).any() and torch.equal(a.viscosity, case.viscosity)
    first = ((a.start - 1.0) / 0.5).round().long()
    for run in range(6):
        whole = grid_values(case)[run]
        assert torch.equal(grid_values(a)[run], whole[first[run] : first[run] + 4])


def test_a_corpus_without_pairs_in_time_is_named():
    case = long_runs(frames=4).batch(torch.arange(6))
    generator = torch.Generator()
    with pytest.raises(ViewError, match="no pairs in time"):
        TimeLag(frames=4)(case, generator)
    assert grid_values(Window(frames=4)(case, generator)).shape[1] == 4
    with pytest.raises(ViewError, match="longer than the runs"):
        Window(frames=5)(case, generator)


def test_shifts_and_turns_move_values_and_keep_them():
    case = solved("flow2d")
    before = grid_values(case).flatten(1).sort().values
    for view in (Shift(equation="flow2d"), QuarterTurn(), Parity(equation="flow2d")):
        after = changed(case, view, seed=1)
        assert torch.equal(grid_values(after).flatten(1).sort().values, before)
    turn = grid_values(case)
    assert torch.equal(backwards_turn(turn, 4), turn)
    assert torch.equal(backwards_turn(turn, 2), turn.flip((3, 4)).roll((1, 1), (3, 4)))


def test_coarser_sensors_masks_and_noise():
    case = long_runs().batch(torch.arange(6))
    generator = torch.Generator().manual_seed(0)
    thin = Coarsen(every=2)(case, generator)
    assert grid_values(thin).shape[-1] == 16 and torch.allclose(thin.spacing, 2 * case.spacing)
    phases = [grid_values(case)[..., i::2] for i in range(2)]
    assert any(torch.equal(grid_values(thin), phase) for phase in phases)
    gaps = Mask(share=0.5, patch=8)(case, generator)
    assert gaps.visible.float().mean() == 0.5
    assert torch.equal(gaps.field[gaps.visible], case.field[gaps.visible])
    assert (gaps.field[~gaps.visible] == 0).all()
    noisy = Noise(level=0.1)(case, generator)
    ratio = float((noisy.field - case.field).std() / case.field.square().mean().sqrt())
    assert ratio == pytest.approx(0.1, rel=0.1)
    for view, message in (
        (Coarsen(every=3), "does not divide"),
        (Mask(patch=5), "does not divide"),
        (QuarterTurn(), "square grid"),
        (Galilean(equation="flow2d"), "moves 1-D runs"),
        (Shift(equation="flow2d", waves=5), None),
    ):
        if message:
            with pytest.raises(ViewError, match=message):
                view(case, generator)
    with pytest.raises(ViewError, match="do not divide the 32 points"):
        ShiftReflect(waves=5)(solved("flow2d"), generator)


def test_fidelity_swaps_in_the_coarse_solve():
    fine, coarse = long_runs(), replace(long_runs(), values=long_runs().values + 1.0)
    case = PairedRuns(fine, coarse).batch(torch.arange(6))
    generator = torch.Generator().manual_seed(0)
    after = Fidelity(probability=0.5)(case, generator)
    gap = (grid_values(after) - grid_values(case)).flatten(1)
    assert set(gap.mean(1).round().tolist()) == {0.0, 1.0} and "coarse" not in after
    with pytest.raises(ViewError, match="got none"):
        Fidelity()(fine.batch(torch.arange(2)), generator)
    with pytest.raises(ViewError, match="put Fidelity before"):
        Fidelity()(TimeLag(frames=4)(case, generator), generator)
    with pytest.raises(CorpusError, match="one shape"):
        PairedRuns(fine, long_runs(frames=3))


def test_pretraining_on_runs_refuses_what_is_false_and_learns_from_what_is_true():
    runs = long_runs(runs=16)
    encoder = FieldCNN(frames=4, stages=(8, 8), embedding=16)
    config = PretrainConfig(
        labels=("viscosity",),
        pretext=ViewMatch(projector=16),
        views=(TimeLag(frames=4), Shift(), Parity(), Galilean()),
        batch_cases=8,
        train=TrainConfig(steps=3, log_every_steps=1),
    )
    result = pretrain_network(encoder, runs, config, progress=False)
    assert result.steps == 3 and all(math.isfinite(line["loss"]) for line in result.history)
    with pytest.raises(ViewError, match="Amplitude is forbidden for 'viscosity'"):
        pretrain_network(encoder, runs, replace(config, views=(TimeLag(frames=4), Amplitude())))
