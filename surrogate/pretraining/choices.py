"""Pretexts and views by name, as the command line and configuration files choose them.

Every view there is for a kind of data can be named, true or not: what one does to the label that is
asked for is its own promise, and pretraining refuses what is forbidden.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from formwright.datasets.config import override
from formwright.datasets.errors import ConfigError, UnknownNameError, did_you_mean
from formwright.surrogate.keeps import check_keeps
from formwright.surrogate.objectives.jepa import JEPA
from formwright.surrogate.objectives.objective import OBJECTIVES, Objective
from formwright.surrogate.objectives.sigreg import LeJEPA
from formwright.surrogate.objectives.visreg import VISReg
from formwright.surrogate.pretraining.matching import ViewMatch
from formwright.surrogate.view import View

PROJECTOR: Final = 256
SMALL_PROJECTOR: Final = 64


def matched(objective: Objective) -> ViewMatch:
    """Return an objective of two views with the projector that suits it."""
    return ViewMatch(objective=objective, projector=projector_width(objective))


def projector_width(objective: Objective) -> int:
    """Return the width of the projector: none for JEPA, small where Gaussians are asked for."""
    if isinstance(objective, JEPA):
        return 0
    return SMALL_PROJECTOR if isinstance(objective, LeJEPA | VISReg) else PROJECTOR


def objective_named(name: str) -> Objective:
    """Return an objective with its default weights.

    Raises:
        UnknownNameError: There is none of that name.
    """
    return OBJECTIVES[known(name, OBJECTIVES, "objective")]()


def known(name: str, names: Iterable[str], what: str) -> str:
    """Return a name that is there.

    Raises:
        UnknownNameError: It is not.
    """
    names = tuple(names)
    if name not in names:
        raise UnknownNameError(
            f"no {what} is called {name!r}.{did_you_mean(name, names)} Known: {', '.join(names)}."
        )
    return name


def view_of(given: str | Mapping[str, Any], views: Mapping[str, View]) -> View:
    """Return a view by its name, or by a table with its name as ``kind`` and attributes.

    Raises:
        UnknownNameError: There is no such view for this kind of data.
        ConfigError: An attribute that it does not have, or a table without ``kind``.
    """
    if isinstance(given, str):
        return views[known(given, views, "view of these data")]
    if "kind" not in given:
        raise ConfigError(f"a view is a name, or a table with kind = NAME; got {dict(given)!r}.")
    view = views[known(str(given["kind"]), views, "view of these data")]
    rest = {key: value for key, value in given.items() if key != "kind"}
    return override(view, rest, where=f"view {given['kind']!r}")


def views_named(
    given: Sequence[str | Mapping[str, Any]], views: Mapping[str, View], labels: Iterable[str]
) -> tuple[View, ...]:
    """Return the views that are asked for, in the order given.

    Args:
        given: Names, or tables with the attributes of a view.
        views: What there is for the kind of data.
        labels: What will be predicted from the representation.

    Raises:
        ConfigError: None at all, or an attribute that does not exist.
        UnknownNameError: There is no such view for this kind of data.
        ViewError: A view is forbidden for one of the labels.
    """
    if not given:
        raise ConfigError(f"no view is named. Known: {', '.join(views)}.")
    chosen = tuple(view_of(one, views) for one in given)
    check_keeps(chosen, labels)
    return chosen
