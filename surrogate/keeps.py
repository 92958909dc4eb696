"""What a view promises of each label, and the refusal of views that break a promise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from formwright.datasets.errors import ViewError


class Keeps(StrEnum):
    """What a view does to a label of the case it is applied to."""

    EXACT = "exact"
    """The label stays what it was."""
    APPROXIMATE = "approximate"
    """The label changes by less than the solver's own error; the view's docstring says how much."""
    EQUIVARIANT = "equivariant"
    """The label changes by a known map, which the view applies to labels that the case carries."""
    FORBIDDEN = "forbidden"
    """The label may change by any amount: the view throws away what determines it."""


def check_keeps(views: Iterable[Any], labels: Iterable[str]) -> None:
    """Refuse views that a representation for ``labels`` must not be trained on.

    Args:
        views: Each with ``keeps``, a mapping from label to ``Keeps``.
        labels: What will be predicted from the representation.

    Raises:
        ViewError: A view forbids a label, or does not say what it does to it.
    """
    labels = tuple(labels)
    for view in views:
        keeps: Mapping[str, Keeps] = view.keeps
        for label in labels:
            name = type(getattr(view, "view", view)).__name__
            if label not in keeps:
                raise ViewError(
                    f"the view {name} does not say what it does to {label!r} (it speaks of "
                    f"{', '.join(keeps)}): pretrain for one of these, or without this view."
                )
            if keeps[label] is Keeps.FORBIDDEN:
                fine = [known for known in keeps if keeps[known] is not Keeps.FORBIDDEN]
                raise ViewError(
                    f"the view {name} is forbidden for {label!r}: it changes that label by an "
                    f"unknown amount, so the encoder would learn to ignore what determines it. "
                    f"Leave the view out, or pretrain for {', '.join(fine) or 'another label'}."
                )
