from __future__ import annotations

import math

import pytest
import torch

from formwright.datasets.errors import ConditionError, ConfigError, UnknownNameError
from formwright.datasets.pde.equations import (
    EQUATIONS,
    Burgers,
    Flow2D,
    KdV,
    KuramotoSivashinsky,
    equation,
    simulate,
)
from formwright.datasets.pde.spectral import Grid, coefficients

RING = Grid(points=(64,), lengths=(2.0 * math.pi,))
PLANE = Grid(points=(32, 32), lengths=(2.0 * math.pi, 2.0 * math.pi))


def random_state(grid: Grid, runs: int = 2, most: int = 3, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    state = torch.zeros(runs, *grid.points, dtype=torch.float64)
    for _ in range(6):
        phase = 2.0 * math.pi * torch.rand(runs, generator=generator, dtype=torch.float64)
        phase = phase.reshape(-1, *[1] * len(grid.points))
        for x, length in zip(grid.coordinates(), grid.lengths, strict=True):
            m = torch.randint(1, most + 1, (1,), generator=generator)
            angle = 2.0 * math.pi * m.double() * x / length
            phase = phase + angle
        state = state + torch.cos(phase)
    return state


def numbers(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def case(name: str) -> tuple:
    """Equation, grid, state and parameters of a small problem."""
    if name == "flow2d":
        given = {"viscosity": numbers(0.02, 0.05), "drag": numbers(0.1, 0.0)}
        return Flow2D(waves=2), PLANE, random_state(PLANE), {**given, "forcing": numbers(1.0, 0.5)}
    if name == "kuramoto-sivashinsky":
        grid = Grid(points=(64,), lengths=(22.0,))
        return KuramotoSivashinsky(), grid, random_state(grid), {"viscosity": numbers(1.0, 0.8)}
    if name == "kdv":
        grid = Grid(points=(64,), lengths=(20.0,))
        return KdV(), grid, 0.2 * random_state(grid), {"dispersion": numbers(1.0, 0.7)}
    return Burgers(), RING, 0.3 * random_state(RING), {"viscosity": numbers(0.05, 0.1)}


def order(errors: list[float]) -> float:
    return math.log2(errors[0] / errors[1])


def test_burgers_follows_cole_and_hopf_to_fourth_order():
    (x,), nu = RING.coordinates(), numbers(0.1, 0.3)[:, None]

    def exact(t: float) -> torch.Tensor:
        fade = torch.exp(-nu * t)
        return 2.0 * nu * fade * torch.sin(x) / (1.5 + fade * torch.cos(x))

    def error(substeps: int) -> float:
        u = simulate(
            Burgers(),
            RING,
            exact(0.0),
            {"viscosity": nu[:, 0]},
            frames=2,
            interval=4.0,
            substeps=substeps,
        )
        return float((u[:, -1] - exact(4.0)).abs().max())

    assert order([error(8), error(16)]) > 3.6
    assert error(64) < 1e-9


def test_a_soliton_keeps_form_and_speed_to_fourth_order():
    grid = Grid(points=(256,), lengths=(40.0,))
    (x,), speed, width = grid.coordinates(), numbers(1.0, 2.0)[:, None], numbers(1.0, 2.0)[:, None]

    def exact(t: float) -> torch.Tensor:
        away = (x - speed * t) % 40.0 - 20.0
        return 0.5 * speed / torch.cosh(0.5 * (speed / width).sqrt() * away) ** 2

    def error(substeps: int) -> float:
        parameters = {"dispersion": width[:, 0]}
        u = simulate(KdV(), grid, exact(0.0), parameters, frames=2, interval=1.0, substeps=substeps)
        return float((u[:, -1] - exact(1.0)).abs().max())

    assert order([error(50), error(100)]) > 3.6
    assert error(200) < 1e-7


def test_taylor_green_vortices_decay_at_the_exact_rate():
    x, y = PLANE.coordinates()
    nu, drag = numbers(0.02, 0.1), numbers(0.0, 0.3)
    state = (2.0 * torch.cos(x) * torch.cos(y)).expand(2, 32, 32)
    parameters = {"viscosity": nu, "drag": drag, "forcing": torch.zeros(2, dtype=torch.float64)}
    w = simulate(Flow2D(), PLANE, state, parameters, frames=3, interval=0.5, substeps=10)
    rate = (-(2.0 * nu + drag)).exp()[:, None, None]
    torch.testing.assert_close(w[:, -1], state * rate, rtol=1e-10, atol=1e-10)


def test_kolmogorov_flow_rests_on_its_laminar_solution():
    _, y = PLANE.coordinates()
    nu, forcing = numbers(0.1, 0.2), numbers(0.1, 0.3)
    laminar = -(forcing / (4.0 * nu))[:, None, None] * 2.0 * torch.cos(2.0 * y).expand(2, 32, 32)
    parameters = {"viscosity": nu, "drag": torch.zeros_like(nu), "forcing": forcing}
    w = simulate(Flow2D(waves=2), PLANE, laminar, parameters, frames=2, interval=1.0, substeps=20)
    torch.testing.assert_close(w[:, -1], laminar, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", EQUATIONS)
def test_every_equation_converges_to_fourth_order(name: str):
    solved, grid, state, parameters = case(name)

    def final(substeps: int) -> torch.Tensor:
        u = simulate(solved, grid, state, parameters, frames=2, interval=0.5, substeps=substeps)
        return u[:, -1]

    fine = final(160)
    errors = [float((final(n) - fine).abs().max()) for n in (20, 40)]
    assert order(errors) > 3.5


@pytest.mark.parametrize("name", EQUATIONS)
def test_products_of_modes_leave_no_alias(tendency, name: str):
    """What a finer grid resolves and a coarser one cannot hold is dropped, not folded back."""
    solved, grid, _, parameters = case(name)
    parameters = {k: v if k != "forcing" else 0.0 * v for k, v in parameters.items()}
    kept = [(n - 1) // 3 for n in grid.points]
    finer = Grid(points=tuple(2 * n for n in grid.points), lengths=grid.lengths)
    found, wanted = (
        on.to_modes(tendency(solved, on, random_state(on, most=min(kept)), parameters))
        for on in (grid, finer)
    )
    for axis, (n, most) in enumerate(zip(grid.points, kept, strict=True)):
        last = axis == len(kept) - 1
        place = torch.arange(n // 2 + 1 if last else n)
        low = torch.where(place > n // 2, place - n, place)
        wanted = wanted.index_select(axis + 1, low % finer.points[axis]) / 2.0
        shape = [-1 if a == axis else 1 for a in range(len(kept))]
        wanted = wanted * (low.abs() <= most).reshape(shape)
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-8 * float(wanted.abs().max()))


@pytest.mark.parametrize("name", EQUATIONS)
def test_runs_of_a_batch_do_not_touch_each_other(name: str):
    solved, grid, state, parameters = case(name)
    how = {"frames": 3, "interval": 0.2, "substeps": 8}
    whole = simulate(solved, grid, state, parameters, **how)
    for run in range(2):
        alone = {k: v[run : run + 1] for k, v in parameters.items()}
        one = simulate(solved, grid, state[run : run + 1], alone, **how)
        torch.testing.assert_close(one[0], whole[run], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", EQUATIONS)
def test_single_precision_is_near_double(name: str):
    solved, grid, state, parameters = case(name)
    how = {"frames": 2, "interval": 0.5, "substeps": 20}
    double = simulate(solved, grid, state, parameters, **how)
    single = simulate(solved, grid, state.float(), parameters, **how)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), double, rtol=0, atol=2e-4)


@pytest.mark.parametrize("name", EQUATIONS)
def test_gradients_agree_with_finite_differences(name: str):
    solved, grid, state, parameters = case(name)
    key = solved.PARAMETERS[0]

    def energy(value: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        u = simulate(
            solved,
            grid,
            state * scale,
            {**parameters, key: value},
            frames=2,
            interval=0.2,
            substeps=5,
        )
        return u[:, -1].square().mean() + 0.1 * u[:, -1, ..., 3].mean()

    value = parameters[key].clone().requires_grad_()
    scale = numbers(1.0).requires_grad_()
    given = torch.autograd.grad(energy(value, scale), (value, scale))
    h = 1e-6
    nudge = h * numbers(1.0, 0.0)
    by_value = (energy(value + nudge, scale) - energy(value - nudge, scale)) / (2.0 * h)
    by_scale = (energy(value, scale + h) - energy(value, scale - h)) / (2.0 * h)
    torch.testing.assert_close(given[0][0], by_value, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(given[1][0], by_scale, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", ["burgers", "kuramoto-sivashinsky", "kdv"])
def test_the_mean_is_conserved(name: str):
    solved, grid, state, parameters = case(name)
    u = simulate(solved, grid, state + 0.3, parameters, frames=5, interval=0.5, substeps=20)
    mean = u.mean(-1)
    torch.testing.assert_close(mean, mean[:, :1].expand_as(mean), rtol=0, atol=1e-12)


def test_kdv_conserves_its_second_and_third_integral():
    solved, grid, state, parameters = case("kdv")
    u = simulate(solved, grid, state, parameters, frames=3, interval=0.5, substeps=100)
    (k,) = grid.wavenumbers(u)
    slope = grid.to_points(1j * k * grid.to_modes(u))
    second = u.square().mean(-1)
    third = (u**3 - 0.5 * parameters["dispersion"][:, None, None] * slope**2).mean(-1)
    for integral in (second, third):
        torch.testing.assert_close(
            integral, integral[:, :1].expand_as(integral), rtol=1e-6, atol=1e-8
        )


def test_ideal_flow_conserves_energy_and_enstrophy():
    zero = torch.zeros(2, dtype=torch.float64)
    parameters = {"viscosity": zero, "drag": zero, "forcing": zero}
    state = random_state(PLANE, most=2)
    w = simulate(Flow2D(), PLANE, state, parameters, frames=3, interval=0.05, substeps=20)
    modes = PLANE.to_modes(w)
    kx, ky = PLANE.wavenumbers(modes)
    square = (kx**2 + ky**2).clamp_min(1e-9)
    stream = PLANE.to_points(torch.where(square > 1e-6, modes / square, 0.0))
    energy, enstrophy = (stream * w).mean((-1, -2)), w.square().mean((-1, -2))
    torch.testing.assert_close(energy, energy[:, :1].expand_as(energy), rtol=1e-6, atol=0)
    torch.testing.assert_close(enstrophy, enstrophy[:, :1].expand_as(enstrophy), rtol=1e-6, atol=0)


def test_burgers_loses_energy_at_the_rate_of_its_dissipation(tendency):
    solved, grid, state, parameters = case("burgers")
    (k,) = grid.wavenumbers(state)
    slope = grid.to_points(1j * k * grid.to_modes(state))
    gain = (state * tendency(solved, grid, state, parameters)).mean(-1)
    loss = parameters["viscosity"] * slope.square().mean(-1)
    torch.testing.assert_close(gain, -loss, rtol=1e-6, atol=1e-9)


def test_stirring_is_the_sum_of_waves_that_it_says(tendency):
    (x,) = RING.coordinates()
    stir = torch.tensor([[[0.5, 0.2], [1.0, 3.0], [0.7, -1.1], [0.3, 2.0]]], dtype=torch.float64)
    parameters = {"viscosity": numbers(0.1), "stir": stir}
    rest = torch.zeros(1, 64, dtype=torch.float64)
    found = tendency(Burgers(), RING, rest, parameters)
    expected = 0.5 * torch.sin(x + 0.3) + 0.2 * torch.sin(3.0 * x + 2.0)
    torch.testing.assert_close(found[0], expected, rtol=1e-12, atol=1e-12)
    u = simulate(Burgers(), RING, rest, parameters, frames=2, interval=1e-3, substeps=1)
    middle = 0.5 * torch.sin(x + 0.3 + 0.35e-3) + 0.2 * torch.sin(3.0 * x + 2.0 - 0.55e-3)
    torch.testing.assert_close(u[0, 1] / 1e-3, middle, rtol=0, atol=1e-3)


@pytest.mark.parametrize("linear", [0.0, -1e-9, -1.0, -1e4, 1e-6j, 30.0j])
def test_coefficients_lose_no_digits(linear: complex):
    value = torch.tensor([linear])
    value = value.to(torch.complex128 if isinstance(linear, complex) else torch.float64)
    found = coefficients(value, 1.0)
    z = complex(linear)
    if abs(z) < 1e-3:
        expected = (1.0 + z / 2, 0.5 + z / 8, 1 / 6 + z / 6, 1 / 6 + z / 12, 1 / 6)
    else:
        import cmath

        e = cmath.exp(z)
        expected = (
            e,
            (cmath.exp(z / 2) - 1) / z,
            (-4 - z + e * (4 - 3 * z + z**2)) / z**3,
            (2 + z + e * (z - 2)) / z**3,
            (-4 - 3 * z - z**2 + e * (4 - z)) / z**3,
        )
    values = (found.decay, found.q, found.f1, found.f2, found.f3)
    for got, want in zip(values, expected, strict=True):
        assert abs(complex(got) - want) < 2e-6 * max(1.0, abs(want)) * (abs(z) < 1e-3) + 1e-12


def test_one_run_that_blows_up_leaves_the_others_alone():
    state = torch.stack([torch.sin(RING.coordinates()[0])] * 2)
    state[1] *= 1e4
    nu = {"viscosity": numbers(0.1, 0.1)}
    u = simulate(Burgers(), RING, state, nu, frames=12, interval=0.2, substeps=2)
    assert torch.isfinite(u[0]).all() and not torch.isfinite(u[1, -1]).all()


def test_bad_input_is_named():
    state = random_state(RING)
    how = {"frames": 2, "interval": 0.1, "substeps": 1}
    with pytest.raises(ConditionError, match="needs 'viscosity'"):
        simulate(Burgers(), RING, state, {}, **how)
    with pytest.raises(ConditionError, match="one finite number for each of the 2 runs"):
        simulate(Burgers(), RING, state, {"viscosity": numbers(0.1, math.nan)}, **how)
    with pytest.raises(ConditionError, match="0 or more"):
        simulate(Burgers(), RING, state, {"viscosity": numbers(0.1, -0.1)}, **how)
    with pytest.raises(ConditionError, match="on a grid of"):
        simulate(Burgers(), PLANE, state, {"viscosity": numbers(0.1, 0.1)}, **how)
    with pytest.raises(ConfigError, match="even numbers"):
        Grid(points=(63,), lengths=(1.0,))
    with pytest.raises(UnknownNameError, match="Did you mean 'burgers'"):
        equation("burger")
    assert equation("kdv") == KdV()
