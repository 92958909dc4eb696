from __future__ import annotations

import numpy as np
import pytest
import torch

import formwright
from formwright.datasets.errors import ConfigError

POINTS = formwright.OperatingPoints.at_lift([0.4, 0.8], reynolds=1e6)


def space_and_start() -> tuple[formwright.DesignSpace, np.ndarray]:
    space = formwright.CST(points=POINTS)
    section = formwright.load_section("naca2412")
    alpha = {"alpha_deg": torch.tensor([2.0, 5.0]), "reynolds": torch.full((2,), 1e6)}
    return space, space.encode(formwright.section_case(section.pos, alpha))[0].numpy()


def central(function, x: np.ndarray, step: float) -> np.ndarray:
    moves = step * np.eye(len(x))
    return np.stack([(function(x + m) - function(x - m)) / (2 * step) for m in moves], -1)


@pytest.mark.parametrize("name", ["airfoil-polar", "rans-2d"])
def test_derivatives_agree_with_central_differences(name: str) -> None:
    space, x = space_and_start()
    surrogate = formwright.load(name)
    function = formwright.as_function(surrogate, space, ["cl", "cd", "cd_upper"])
    assert function(x).shape == (6,) and function(x).dtype == np.float64
    exact = function.jacobian(x)
    error = np.abs(central(function, x, 1e-5) - exact).max(1) / np.abs(exact).max(1)
    assert error.max() < 1e-6
    direction = np.linspace(-1, 1, len(x))
    step = 1e-5 * direction
    change = (function.jacobian(x + step) - function.jacobian(x - step)) / 2e-5
    product = function.hessian_product(x, direction)
    assert np.abs(change - product).max() < 1e-5 * np.abs(product).max()
    assert all(p.dtype == torch.float32 for p in surrogate.parameters() if p.is_floating_point())


def test_what_cannot_be_asked_is_refused() -> None:
    space, x = space_and_start()
    surrogate = formwright.load("airfoil-polar")
    for outputs in ([], ["lift"], "cl"):
        with pytest.raises(ConfigError, match="choose from cl, cd"):
            formwright.as_function(surrogate, space, outputs)
    function = formwright.as_function(surrogate, space, ["cl"])
    for wrong in (x[:-1], np.full_like(x, np.nan)):
        with pytest.raises(ConfigError, match=f"takes {len(x)} finite numbers"):
            function(wrong)
