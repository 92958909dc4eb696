"""A box of numbers: the design space of a surrogate of a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.cases import Batch, Case
from formwright.datasets.errors import ConfigError, UnknownNameError, did_you_mean
from formwright.design.spaces.space import DesignSpace
from formwright.surrogate.model import Surrogate


@dataclass(frozen=True, kw_only=True)
class Box(DesignSpace):
    """Numbers between bounds, the others held: ``batch.x`` of a surrogate of a table.

    Attributes:
        lower: Of each free input, by name.
        upper: Likewise.
        base: A row with everything, free inputs included; free ones are written over.
        places: Of the free inputs in a row, by name.

    Example:
        >>> import formwright, torch
        >>> box = formwright.Box(
        ...     lower={"a": 0.0}, upper={"a": 2.0}, base=torch.tensor([1.0, 5.0]), places={"a": 0}
        ... )
        >>> box.decode(torch.tensor([[1.5]])).x.tolist()
        [[1.5, 5.0]]
    """

    lower: Mapping[str, float]
    upper: Mapping[str, float]
    base: Float[Tensor, " features"]
    places: Mapping[str, int]

    def __post_init__(self) -> None:
        """Refuse a box that holds nothing."""
        for name in self.names:
            if not self.lower[name] < self.upper[name]:
                raise ConfigError(
                    f"Box: {name!r} lies between {self.lower[name]} and {self.upper[name]}, which "
                    "is nothing: give the lower bound first, or hold it."
                )

    @classmethod
    def of(
        cls,
        surrogate: Surrogate,
        *,
        bounds: Mapping[str, tuple[float, float]] | None = None,
        fixed: Mapping[str, Any] | None = None,
    ) -> Box:
        """Return the box of a surrogate of a table: its training range, or less.

        Args:
            surrogate: That ``fit("table", ...)`` made.
            bounds: Lowest and highest value of inputs that are to vary less.
            fixed: Values of inputs that are held; choices must be.

        Raises:
            UnknownNameError: It has no such input.
            ConfigError: A bound beyond the training range, or a choice that is not held.
        """
        table: Any = surrogate
        bounds, held = dict(bounds or {}), dict(fixed or {})
        names = [one.name for one in table.config.inputs]
        for name in (*bounds, *held):
            if name not in names:
                raise UnknownNameError(
                    f"the surrogate has no input {name!r}.{did_you_mean(name, names)} Its inputs: "
                    f"{', '.join(names)}."
                )
        known, places, at = table.training_range, {}, 0
        row = {}
        for one in table.config.inputs:
            if one.choices and one.name not in held:
                raise ConfigError(
                    f"{one.name!r} is a choice of {', '.join(one.choices)}: hold it, fixed="
                    f"{{{one.name!r}: {one.choices[0]!r}}}, and design once for each."
                )
            row[one.name] = [held.get(one.name, sum(known.get(one.name, (0.0, 0.0))) / 2)]
            if one.name not in held:
                places[one.name] = at
            at += len(one.choices) or 1
        requested: Mapping[str, tuple[float, float]] = {**known, **bounds}
        ends = {name: _inside(name, requested[name], known[name]) for name in places}
        return cls(
            lower={name: low for name, (low, _) in ends.items()},
            upper={name: high for name, (_, high) in ends.items()},
            base=table.rows(row)[0],
            places=places,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each parameter."""
        return tuple(self.places)

    @property
    def bounds(self) -> Float[Tensor, "2 parameters"]:
        """Lowest and highest value of each parameter."""
        ends = [[side[name] for name in self.names] for side in (self.lower, self.upper)]
        return torch.tensor(ends, dtype=torch.float64)

    def decode(self, x: Float[Tensor, "designs parameters"]) -> Case:
        """Return the designs as one batch of cases."""
        rows = self.base.to(x).expand(len(x), -1)
        index = torch.tensor([*self.places.values()], device=x.device)
        return Batch(x=rows.index_copy(1, index, x))

    def encode(self, case: Case) -> Float[Tensor, "designs parameters"]:
        """Return the parameters of rows."""
        return case["x"][:, [*self.places.values()]].double()

    def project(
        self, x: Float[Tensor, "designs parameters"]
    ) -> Float[Tensor, "designs parameters"]:
        """Return the nearest parameters inside the box."""
        low, high = self.bounds.to(x)
        return x.clamp(low, high)


def _inside(
    name: str, given: tuple[float, float], known: tuple[float, float]
) -> tuple[float, float]:
    """Return bounds inside the training range.

    Raises:
        ConfigError: They are not.
    """
    slack = 1e-6 * (known[1] - known[0])
    if given[0] < known[0] - slack or given[1] > known[1] + slack:
        raise ConfigError(
            f"bounds {tuple(given)} of {name!r} go beyond the training range {tuple(known)}, where "
            "the surrogate guesses."
        )
    return float(given[0]), float(given[1])
