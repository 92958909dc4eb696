"""A surrogate behind a design space as a component of OpenMDAO (Gray et al. 2019)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from formwright.datasets.errors import ConfigError
from formwright.design.interfaces.function import Function

if TYPE_CHECKING:
    from openmdao.api import ExplicitComponent  # pyright: ignore[reportMissingImports]


def as_openmdao(function: Function) -> ExplicitComponent:
    """Return an ``ExplicitComponent`` of a function, with exact partial derivatives.

    Its input ``x`` holds the parameters of the space, in the middle of their bounds to begin with;
    it has an output for each of ``function.outputs``, (points,), named as that is.

    Args:
        function: From ``as_function``.

    Raises:
        ConfigError: OpenMDAO is not installed.

    Example:
        >>> import formwright
        >>> points = formwright.OperatingPoints.at_lift([0.4, 0.8], reynolds=1e6)
        >>> space = formwright.CST(points=points)
        >>> drag = formwright.as_function(formwright.load("airfoil-polar"), space, ["cd"])
        >>> component = formwright.as_openmdao(drag)  # doctest: +SKIP
    """
    try:
        base: Any = import_module("openmdao.api").ExplicitComponent
    except ImportError as error:
        raise ConfigError(
            "as_openmdao() needs OpenMDAO, which is not installed: pip install openmdao."
        ) from error
    start = function.space.bounds.mean(0).numpy()
    sizes = np.full(len(function.outputs), len(function(start)) // len(function.outputs))
    ends = np.cumsum(sizes)[:-1]

    class Component(base):
        def setup(self) -> None:
            self.add_input("x", start, desc=", ".join(function.space.names))
            for name, size in zip(function.outputs, sizes, strict=True):
                self.add_output(name, shape=int(size))
            self.declare_partials("*", "x")

        def compute(self, inputs: Any, outputs: Any) -> None:
            values = np.split(function(inputs["x"]), ends)
            for name, part in zip(function.outputs, values, strict=True):
                outputs[name] = part

        def compute_partials(self, inputs: Any, partials: Any) -> None:
            rows = np.split(function.jacobian(inputs["x"]), ends)
            for name, part in zip(function.outputs, rows, strict=True):
                partials[name, "x"] = part

    return Component()
