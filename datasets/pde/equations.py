"""Unsteady equations on periodic boxes: Burgers, Kuramoto-Sivashinsky, KdV, 2-D flow.

=========================  =======  ==========================================================
equation                   state    parameters
=========================  =======  ==========================================================
``Burgers``                u (x)    ``viscosity``
``KuramotoSivashinsky``    u (x)    ``viscosity``
``KdV``                    u (x)    ``dispersion``
``Flow2D``                 vorticity (x, y)  ``viscosity``, ``drag``, ``forcing``
=========================  =======  ==========================================================

All are dimensionless; signs are in the docstrings. ``simulate`` solves a batch of runs, each with
parameters of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.cases import Quantity
from formwright.datasets.errors import ConditionError, UnknownNameError, did_you_mean
from formwright.datasets.pde.spectral import Grid, Nonlinear, coefficients, etdrk4

Parameters = Mapping[str, Float[Tensor, "runs ..."]]

LABELS: Final = (
    Quantity("viscosity", "1", "factor of the dissipative term"),
    Quantity("dispersion", "1", "factor of the third derivative"),
    Quantity("drag", "1", "rate of linear friction"),
    Quantity("forcing", "1", "amplitude of the steady body force"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Burgers:
    """u_t + u u_x = viscosity u_xx + f(x, t).

    Dissipative; gradients steepen to fronts of width viscosity / |u|. Momentum is conserved, energy
    u^2/2 decays where nothing stirs. With lengths in units of L and speeds in units of U, viscosity
    is 1 / Reynolds. The stirring is a sum of waves, given as the parameter ``stir`` of shape
    (runs, 4, waves), which may be absent::

        f = sum_j a_j sin(w_j t + 2 pi m_j x / length + phi_j),   stir = (a, m, w, phi)

    Sources: Burgers, Adv. Appl. Mech. 1 (1948) 171; exact solutions: Cole (1951), Hopf (1950); the
    stirring: Bar-Sinai, Hoyer, Hickey, Brenner, PNAS 116 (2019) 15344.
    """

    kind: Literal["burgers"] = "burgers"
    PARAMETERS: ClassVar[tuple[str, ...]] = ("viscosity",)
    DIMENSIONS: ClassVar[int] = 1

    def terms(self, grid: Grid, parameters: Parameters, like: Tensor) -> tuple[Tensor, Nonlinear]:
        """Return the symbol of L, (runs, modes), and N."""
        (k,) = grid.wavenumbers(like)
        linear, bend = -parameters["viscosity"][:, None] * k**2, _advection(grid, like, 0.5)
        if "stir" not in parameters:
            return linear, bend
        stir = _stirring(grid, parameters["stir"], linear)
        return linear, lambda modes, t: bend(modes, t) + stir(t)


@dataclass(frozen=True, kw_only=True, slots=True)
class KuramotoSivashinsky:
    """u_t + u u_x + u_xx + viscosity u_xxxx = 0.

    Chaotic on boxes longer than about 2 pi sqrt(viscosity) times a few; the second derivative feeds
    long waves, the fourth damps short ones. The mean is conserved.

    Sources: Kuramoto and Tsuzuki, Prog. Theor. Phys. 55 (1976) 356; Sivashinsky, Acta Astronaut. 4
    (1977) 1177.
    """

    kind: Literal["kuramoto-sivashinsky"] = "kuramoto-sivashinsky"
    PARAMETERS: ClassVar[tuple[str, ...]] = ("viscosity",)
    DIMENSIONS: ClassVar[int] = 1

    def terms(self, grid: Grid, parameters: Parameters, like: Tensor) -> tuple[Tensor, Nonlinear]:
        """Return the symbol of L, (runs, modes), and N."""
        (k,) = grid.wavenumbers(like)
        return k**2 - parameters["viscosity"][:, None] * k**4, _advection(grid, like, 0.5)


@dataclass(frozen=True, kw_only=True, slots=True)
class KdV:
    """u_t + 6 u u_x + dispersion u_xxx = 0 (Korteweg-de Vries).

    Conserves mean, u^2 and u^3 - dispersion u_x^2 / 2. A soliton of speed c::

        u = c/2 sech^2( sqrt(c / dispersion) / 2 (x - c t) )

    Source: Zabusky and Kruskal, Phys. Rev. Lett. 15 (1965) 240.
    """

    kind: Literal["kdv"] = "kdv"
    PARAMETERS: ClassVar[tuple[str, ...]] = ("dispersion",)
    DIMENSIONS: ClassVar[int] = 1

    def terms(self, grid: Grid, parameters: Parameters, like: Tensor) -> tuple[Tensor, Nonlinear]:
        """Return the symbol of L, (runs, modes), and N."""
        (k,) = grid.wavenumbers(like)
        return 1j * parameters["dispersion"][:, None] * k**3, _advection(grid, like, 3.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Flow2D:
    """w_t + v . grad w = viscosity lap w - drag w + curl f: incompressible flow in the plane.

    w = dv_y/dx - dv_x/dy is the vorticity; the streamfunction psi solves lap psi = -w, and
    v = (psi_y, -psi_x); the mean velocity is zero. The force is Kolmogorov's, along x::

        f = forcing sin(m y) x,   curl f = -forcing m cos(m y),   m = 2 pi waves / length_y

    Unforced and undamped by viscosity and drag, energy v^2/2 and enstrophy w^2/2 are conserved.

    Sources: Arnold and Meshalkin (1960) for the forcing; Chandler and Kerswell, J. Fluid Mech. 722
    (2013) 554.

    Attributes:
        waves: Periods of the force in the box.
    """

    kind: Literal["flow2d"] = "flow2d"
    waves: int = 4
    PARAMETERS: ClassVar[tuple[str, ...]] = ("viscosity", "drag", "forcing")
    DIMENSIONS: ClassVar[int] = 2

    def terms(self, grid: Grid, parameters: Parameters, like: Tensor) -> tuple[Tensor, Nonlinear]:
        """Return the symbol of L, (runs, modes, modes), and N."""
        kx, ky = grid.wavenumbers(like)
        square = kx**2 + ky**2
        inverse = torch.where(square > 0, 1.0 / square.clamp_min(1e-30), 0.0)
        keep = grid.dealiased(like)
        nu, drag = (parameters[name][:, None, None] for name in ("viscosity", "drag"))
        stir = self._stir(grid, parameters["forcing"], like)
        along_x, along_y, up, over = 1j * kx * keep, 1j * ky * keep, 1j * ky, -1j * kx

        def nonlinear(w: Tensor, t: float) -> Tensor:
            psi = inverse * keep * w
            both = torch.stack([up * psi, over * psi, keep * w])
            vx, vy, inside = grid.to_points(both)
            gx, gy = grid.to_modes(torch.stack([vx * inside, vy * inside]))
            return stir - along_x * gx - along_y * gy

        return -nu * square - drag, nonlinear

    def _stir(self, grid: Grid, forcing: Tensor, like: Tensor) -> Tensor:
        """Return the modes of curl f, (runs, modes, modes)."""
        m = 2.0 * math.pi * self.waves / grid.lengths[1]
        y = grid.coordinates()[1].to(device=like.device)
        shape = (-m * torch.cos(m * y)).to(like.real.dtype).expand(grid.points)
        return forcing[:, None, None] * grid.to_modes(shape)


Equation = Burgers | KuramotoSivashinsky | KdV | Flow2D
EQUATIONS: Final[Mapping[str, type[Equation]]] = {
    "burgers": Burgers,
    "kuramoto-sivashinsky": KuramotoSivashinsky,
    "kdv": KdV,
    "flow2d": Flow2D,
}


def equation(name: str) -> Equation:
    """Return an equation by the name of its ``kind``.

    Raises:
        UnknownNameError: There is none of that name.
    """
    if name not in EQUATIONS:
        raise UnknownNameError(
            f"no equation {name!r}.{did_you_mean(name, EQUATIONS)} "
            f"There are {', '.join(EQUATIONS)}."
        )
    return EQUATIONS[name]()


def simulate(
    equation: Equation,
    grid: Grid,
    initial: Float[Tensor, " runs *space"],
    parameters: Parameters,
    *,
    frames: int,
    interval: float,
    substeps: int,
) -> Float[Tensor, "runs frames *space"]:
    """Solve a batch of runs; the first frame is the initial state.

    A run that blows up is infinite or NaN from there on, and the others are untouched:
    ``verdicts`` says which. Worked out in the precision of ``initial``.

    Args:
        equation: What is solved.
        grid: Where.
        initial: State at time 0.
        parameters: Those that the equation names, one value a run.
        frames: Number of states returned.
        interval: Time between them.
        substeps: ETDRK4 steps between them.

    Raises:
        ConditionError: A parameter is missing, of the wrong shape or not finite, or the initial
            state does not fit the grid.
    """
    values = check_parameters(equation, grid, initial, parameters)
    linear, nonlinear = equation.terms(grid, values, initial)
    step = interval / substeps
    factors = coefficients(linear, step)
    modes, states = grid.to_modes(initial), [initial]
    for frame in range(1, frames):
        for sub in range(substeps):
            t = (frame - 1) * interval + sub * step
            modes = etdrk4(modes, t, step, factors, nonlinear)
        states.append(grid.to_points(modes))
    return torch.stack(states, 1)


def check_parameters(
    equation: Equation, grid: Grid, state: Tensor, parameters: Parameters
) -> dict[str, Tensor]:
    """Return the parameters in the precision of ``state``.

    Raises:
        ConditionError: As for ``simulate``.
    """
    name = type(equation).__name__
    if len(grid.points) != equation.DIMENSIONS or tuple(state.shape[1:]) != grid.points:
        raise ConditionError(
            f"{name} is solved in {equation.DIMENSIONS} dimension(s) from a state of shape (runs, "
            f"*points); got {tuple(state.shape)} on a grid of {grid.points} points."
        )
    for wanted in equation.PARAMETERS:
        value = parameters.get(wanted)
        if value is None or value.shape != state.shape[:1] or not torch.isfinite(value).all():
            got = "nothing" if value is None else f"{value.detach().tolist()!s:.80}"
            raise ConditionError(
                f"{name} needs {wanted!r}, one finite number for each of the {len(state)} runs; "
                f"got {got}."
            )
        if wanted == "viscosity" and (value < 0).any():
            raise ConditionError(
                f"{name} needs a viscosity of 0 or more; got {float(value.min()):.4g}: with "
                "less, short waves grow without bound."
            )
    known = [key for key in (*equation.PARAMETERS, "stir") if key in parameters]
    return {key: parameters[key].to(state) for key in known}


def _advection(grid: Grid, like: Tensor, factor: float) -> Nonlinear:
    """Return N = -factor (u^2)_x, dealiased."""
    (k,) = grid.wavenumbers(like)
    keep = grid.dealiased(like)
    slope = -1j * factor * k * keep

    def nonlinear(modes: Tensor, t: float) -> Tensor:
        return slope * grid.to_modes(grid.to_points(keep * modes).square())

    return nonlinear


def _stirring(
    grid: Grid, stir: Float[Tensor, "runs 4 waves"], like: Tensor
) -> Callable[[float], Tensor]:
    """Return ``time -> modes`` of a sum of waves."""
    amplitude, number, frequency, phase = stir.unbind(1)
    place = number.round().long()
    zero = torch.zeros_like(like).to(torch.promote_types(like.dtype, torch.complex64))

    def modes(t: float) -> Tensor:
        wave = -0.5j * grid.points[0] * amplitude * torch.exp(1j * (frequency * t + phase))
        return zero.scatter_add(1, place, wave)

    return modes
