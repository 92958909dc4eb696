"""What tests of several rooms are held against."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(scope="session")
def tendency() -> Any:
    """Return what gives u_t as an equation has it, the solver aside."""
    from formwright.datasets.pde.equations import check_parameters

    def rate(equation: Any, grid: Any, u: Any, parameters: Any) -> Any:
        values = check_parameters(equation, grid, u, parameters)
        linear, nonlinear = equation.terms(grid, values, u)
        modes = grid.to_modes(u)
        return grid.to_points(linear * modes + nonlinear(modes, 0.0))

    return rate
