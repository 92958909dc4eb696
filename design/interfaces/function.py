"""A surrogate behind a design space as a plain function of numbers, with exact derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.errors import ConfigError
from formwright.design.spaces.space import DesignSpace
from formwright.surrogate.model import Prediction, Surrogate

_PARTS: Final = {"_std": "std", "_lower": "lower", "_upper": "upper"}


@dataclass(frozen=True, slots=True)
class Function:
    """``(parameters,) -> (values,)`` in double precision, with its derivatives.

    Values stand output after output, and within an output point after point.

    Attributes:
        surrogate: The surrogate, in double precision.
        space: Parameters <-> cases.
        outputs: Labels, or ``LABEL_std``, ``LABEL_lower``, ``LABEL_upper``.
    """

    surrogate: Surrogate
    space: DesignSpace
    outputs: tuple[str, ...]

    def __call__(self, x: Float[np.ndarray, " parameters"]) -> Float[np.ndarray, " values"]:
        """Return the values at ``x``."""
        with torch.no_grad():
            return self._rows(self._checked(x)[None])[0].numpy()

    def jacobian(
        self, x: Float[np.ndarray, " parameters"]
    ) -> Float[np.ndarray, "values parameters"]:
        """Return d(values)/dx at ``x``, all rows from one backward pass."""
        copies = self._checked(x).repeat(len(self(x)), 1).requires_grad_(True)
        rows = self._rows(copies).diagonal().sum()
        return torch.autograd.grad(rows, copies)[0].numpy()

    def hessian_product(
        self, x: Float[np.ndarray, " parameters"], direction: Float[np.ndarray, " parameters"]
    ) -> Float[np.ndarray, "values parameters"]:
        """Return the Hessian of each value at ``x``, times ``direction``."""
        copies = self._checked(x).repeat(len(self(x)), 1).requires_grad_(True)
        rows = self._rows(copies).diagonal().sum()
        (slopes,) = torch.autograd.grad(rows, copies, create_graph=True)
        return torch.autograd.grad((slopes @ self._checked(direction)).sum(), copies)[0].numpy()

    def _rows(self, x: Float[Tensor, "designs parameters"]) -> Float[Tensor, "designs values"]:
        """Return the values of each design."""
        prediction = self.surrogate(self.space.decode(x))
        result = [_output(prediction, name).reshape(len(x), -1) for name in self.outputs]
        return torch.cat(result, 1).to(torch.float64)

    def _checked(self, x: Float[np.ndarray, " parameters"]) -> Float[Tensor, " parameters"]:
        """Return finite numbers of the length of the space, in a tensor of their own."""
        numbers = np.array(x, dtype=np.float64)
        if numbers.shape != (len(self.space.names),) or not np.isfinite(numbers).all():
            raise ConfigError(
                f"the function takes {len(self.space.names)} finite numbers, one a parameter of "
                f"the space; got {numbers!r}."
            )
        return torch.from_numpy(numbers)


def as_function(surrogate: Surrogate, space: DesignSpace, outputs: Sequence[str]) -> Function:
    """Return a surrogate behind a space as a function of float64 NumPy arrays.

    The surrogate given stays as it is; the function holds a copy of it in double precision, so
    that finite differences of its values agree with its derivatives.

    Args:
        surrogate: Cases -> prediction.
        space: Parameters <-> cases.
        outputs: Labels, or ``LABEL_std``, ``LABEL_lower``, ``LABEL_upper``.

    Raises:
        ConfigError: No output was asked for, or one that the surrogate does not predict.

    Example:
        >>> import formwright
        >>> points = formwright.OperatingPoints.at_lift([0.4, 0.8], reynolds=1e6)
        >>> space = formwright.CST(points=points)
        >>> drag = formwright.as_function(formwright.load("airfoil-polar"), space, ["cd"])
        >>> x = space.bounds.mean(0).numpy()
        >>> drag(x).shape, drag.jacobian(x).shape == (2, len(x))
        ((2,), True)
    """
    labels = [label.name for label in surrogate.labels]
    known = [f"{label}{end}" for end in ("", *_PARTS) for label in labels]
    unknown = [name for name in outputs if name not in known]
    if unknown or not outputs or isinstance(outputs, str):
        raise ConfigError(
            f"outputs = {outputs!r} is no list of what this surrogate predicts; choose from "
            f"{', '.join(known)}."
        )
    return Function(deepcopy(surrogate).double().eval(), space, tuple(outputs))


def _output(prediction: Prediction, name: str) -> Tensor:
    """Return one output by name."""
    for end, part in _PARTS.items():
        if name.endswith(end) and name not in prediction.mean:
            return getattr(prediction, part)[name.removesuffix(end)]
    return prediction.mean[name]
