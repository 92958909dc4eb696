"""What tests of several rooms are held against."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from torch import Tensor

from formwright.datasets.pde.equations import Equation, Parameters, check_parameters
from formwright.datasets.pde.spectral import Grid


@pytest.fixture(scope="session")
def tendency() -> Callable[[Equation, Grid, Tensor, Parameters], Tensor]:
    """Return what gives u_t as an equation has it, the solver aside."""

    def rate(equation: Equation, grid: Grid, u: Tensor, parameters: Parameters) -> Tensor:
        values = check_parameters(equation, grid, u, parameters)
        linear, nonlinear = equation.terms(grid, values, u)
        modes = grid.to_modes(u)
        return grid.to_points(linear * modes + nonlinear(modes, 0.0))

    return rate
