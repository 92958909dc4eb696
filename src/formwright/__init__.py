"""Surrogate models for differentiable design.

Learn from simulations without labels, predict from few labels, design by gradient, verify with the
solver. Submodules hold everything: ``formwright.datasets``, ``formwright.surrogate`` and
``formwright.design``; this page only offers the shortest way to a shipped surrogate.
"""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING, Any, Literal, overload

if TYPE_CHECKING:
    from formwright.surrogate.airfoils.polar import PolarSurrogate
    from formwright.surrogate.atoms.adsorption import AdsorptionSurrogate

__version__ = metadata.version("formwright")


@overload
def load(name: Literal["airfoil-polar"]) -> PolarSurrogate: ...
@overload
def load(name: Literal["adsorption-mamun"]) -> AdsorptionSurrogate: ...
@overload
def load(name: str) -> Any: ...
def load(name: str) -> Any:
    """Load a surrogate: the name of a shipped one, or a folder that ``finetune`` wrote.

    Args:
        name: e.g. ``"airfoil-polar"``; ``formwright.surrogate.zoo.SHIPPED`` lists the names.

    Raises:
        UnknownNameError: There is neither a shipped surrogate nor a folder of that name.
    """
    from formwright.surrogate.zoo import load as load_from_zoo

    return load_from_zoo(name)
