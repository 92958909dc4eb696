"""Which operating conditions have a meaning at all; a surrogate's own range is narrower."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from formwright.datasets.errors import ConditionError, OutOfRangeWarning

_AXES: Final = {"alpha_deg": " in the sections' own axes"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """The open interval of values that mean something, and what to say of others."""

    lowest: float
    highest: float
    advice: str


LIMITS: Final[Mapping[str, Limit]] = {
    "alpha_deg": Limit(
        lowest=-45.0,
        highest=45.0,
        advice="incidences are in degrees, between -45 and 45; beyond, a section is a bluff body",
    ),
    "reynolds": Limit(
        lowest=0.0,
        highest=1e12,
        advice="a Reynolds number is positive: speed x chord / kinematic viscosity",
    ),
    "ncrit": Limit(
        lowest=0.0,
        highest=30.0,
        advice="ncrit is an amplification exponent above 0: 9 in a clean tunnel, 4 in a dirty one",
    ),
    "mach": Limit(
        lowest=-1e-12, highest=1.0, advice="Mach numbers are below 1: the flow is subsonic"
    ),
}


def refusals(conditions: Mapping[str, Float[np.ndarray, " points"]]) -> dict[int, str]:
    """Return, by the index of a point, why its conditions have no meaning.

    Args:
        conditions: Any of ``LIMITS`` by name, arrays of one length.
    """
    result: dict[int, str] = {}
    for name, values in conditions.items():
        limit = LIMITS[name]
        if len(values) and values.min() > limit.lowest and values.max() < limit.highest:
            continue
        fine = (values > limit.lowest) & (values < limit.highest)
        for index in np.flatnonzero(~fine).tolist():
            result.setdefault(index, f"{name} = {values[index]:g}: {limit.advice}")
    return result


def check(conditions: Mapping[str, Float[np.ndarray, " points"]]) -> None:
    """Raise for the first point whose conditions have no meaning.

    Raises:
        ConditionError: It quotes the value and says how many points are concerned.
    """
    found = refusals(conditions)
    if found:
        first = min(found)
        more = f" (and {len(found) - 1} more points)" if len(found) > 1 else ""
        raise ConditionError(f"point {first}: {found[first]}{more}.")


def outside(
    conditions: Mapping[str, Float[np.ndarray, " points"]],
    ranges: Mapping[str, tuple[float, float]],
) -> dict[int, str]:
    """Return, by the index of a point, which of its conditions training did not reach.

    Args:
        conditions: By name, each one of ``ranges``; incidences in the sections' own axes.
        ranges: Lowest and highest value in the training data.
    """
    result: dict[int, str] = {}
    for name, values in conditions.items():
        low, high = ranges[name]
        if not len(values) or (low <= values.min() and values.max() <= high):
            continue
        for i in np.flatnonzero((values < low) | (values > high)).tolist():
            text = (
                f"{name} = {values[i]:.6g}{_AXES.get(name, '')} lies outside the training range "
                f"{low:g} .. {high:g}: the number is an extrapolation"
            )
            result[i] = f"{result[i]}; {text}" if i in result else text
    return result


def warn_outside(
    conditions: Mapping[str, Float[np.ndarray, " points"]],
    ranges: Mapping[str, tuple[float, float]],
    stacklevel: int,
) -> None:
    """Warn of conditions that the training data of a surrogate does not reach.

    Args:
        conditions: By name, each one of ``ranges``; incidences in the sections' own axes, which are
            those of the training data.
        ranges: Lowest and highest value in the training data.
        stacklevel: Of the warning, as if it were given where this is called.
    """
    for name, values in conditions.items():
        low, high = ranges[name]
        if not len(values) or (low <= values.min() and values.max() <= high):
            continue
        outside = int(np.count_nonzero((values < low) | (values > high)))
        warnings.warn(
            f"{name}{_AXES.get(name, '')}: {outside} of {np.size(values)} points lie outside the "
            f"training range {low:g} .. {high:g} (seen {np.min(values):g} .. "
            f"{np.max(values):g}); their predictions are extrapolations.",
            OutOfRangeWarning,
            stacklevel=stacklevel + 1,
        )
