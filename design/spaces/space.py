"""The seam between design and everything below: parameters <-> case."""

from __future__ import annotations

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor

from formwright.datasets.cases import Case


class DesignSpace(ABC):
    """A set of designs, described by bounded real parameters.

    ``decode`` is differentiable; ``encode`` is its right inverse up to the fit; ``project`` moves
    parameters to the nearest ones that can be built (bounds, and whatever the space knows).

    Example:
        >>> import formwright
        >>> points = formwright.OperatingPoints.at_lift([0.4, 0.8], reynolds=1e6)
        >>> space = formwright.CST(points=points)
        >>> isinstance(space, formwright.DesignSpace)
        True
        >>> case = space.decode(space.bounds.mean(0, keepdim=True))
        >>> space.encode(case).shape == (1, len(space.names))
        True
    """

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Name of each parameter, with its unit where it has one."""

    @property
    @abstractmethod
    def bounds(self) -> Float[Tensor, "2 parameters"]:
        """Lowest and highest value of each parameter."""

    @abstractmethod
    def decode(self, x: Float[Tensor, "designs parameters"]) -> Case:
        """Return the designs as one batch of cases."""

    @abstractmethod
    def encode(self, case: Case) -> Float[Tensor, "designs parameters"]:
        """Return the parameters that come nearest to the cases of a batch."""

    @abstractmethod
    def project(
        self, x: Float[Tensor, "designs parameters"]
    ) -> Float[Tensor, "designs parameters"]:
        """Return the nearest parameters that can be built."""
