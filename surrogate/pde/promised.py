"""Views of imported runs: what each keeps is what the owner of the data promised of the label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

import torch

from formwright.datasets.cases import Case
from formwright.datasets.pde.runs import with_values
from formwright.surrogate.keeps import Keeps
from formwright.surrogate.pde.named import Solved, run_views
from formwright.surrogate.pde.symmetries import backwards, each_case, ring_values
from formwright.surrogate.view import View

Promises = Mapping[str, Sequence[str]]
NEEDS: Final[Mapping[str, str]] = {
    "time-lag": "constant",
    "window": "constant",
    "coarsen": "constant",
    "mask": "constant",
    "noise": "constant",
    "shift": "shift",
    "amplitude": "amplitude",
}
"""Promise that a shipped view rests on; the others are symmetries of one equation."""
_NEARLY: Final = ("coarsen", "mask", "noise")


@dataclass(frozen=True, kw_only=True, slots=True)
class Promised:
    """A shipped view that keeps what was promised.

    Attributes:
        view: Which.
        kept: Labels that it keeps, with what is left of them.
    """

    view: View
    kept: Mapping[str, str]

    @property
    def joint(self) -> bool:
        """Whether both branches see the same draw."""
        return self.view.joint

    @property
    def keeps(self) -> Mapping[str, Keeps]:
        """Return the promise."""
        return {name: Keeps(word) for name, word in self.kept.items()}

    def __call__(self, case: Case, generator: torch.Generator) -> Case:
        """Return the view of a batch."""
        return self.view(case, generator)


@dataclass(frozen=True, kw_only=True, slots=True)
class Mirror:
    """Scalar fields in a mirror: f -> f(-x), with labels that stay or change sign.

    Attributes:
        kept: Labels, with what is left of them.
        axis: Of space, that is turned round.
        probability: Of each case to be mirrored.
    """

    kept: Mapping[str, str]
    axis: int = 0
    probability: float = 0.5
    joint: ClassVar[bool] = False

    @property
    def keeps(self) -> Mapping[str, Keeps]:
        """Return the promise."""
        return {name: Keeps(word) for name, word in self.kept.items()}

    def __call__(self, case: Case, generator: torch.Generator) -> Case:
        """Return the batch with some cases mirrored, odd labels with the other sign."""
        values = ring_values(case, "Mirror")
        chosen = torch.rand(len(values), generator=generator) < self.probability
        chosen = chosen.to(values.device)
        turned = backwards(values, 3 + self.axis)
        odd = [n for n, word in self.kept.items() if word == Keeps.EQUIVARIANT and n in case]
        labels = {name: torch.where(chosen, -case[name], case[name]) for name in odd}
        return with_values(case, torch.where(each_case(chosen, values), turned, values), **labels)


def promised_views(
    solved: Solved, labels: Sequence[str], promises: Promises, channels: Sequence[str]
) -> dict[str, View]:
    """Return every shipped view with what it does to the labels of imported runs.

    Args:
        solved: Frames of a window and axes; no equation is known.
        labels: Of the runs.
        promises: By label, words of ``datasets.pde.given_files.PROMISES``.
        channels: Fields; a mirror does not know the components of vectors.
    """
    result: dict[str, Any] = {}
    for name, view in run_views(replace(solved, equation="burgers")).items():
        need = NEEDS.get(name)
        word = Keeps.APPROXIMATE if name in _NEARLY else Keeps.EXACT
        kept = {one: word if need in promises.get(one, ()) else Keeps.FORBIDDEN for one in labels}
        result[name] = Promised(view=view, kept=kept)
    scalar = not any("." in channel for channel in channels)
    promised = {
        one: _mirrored(promises.get(one, ())) if scalar else Keeps.FORBIDDEN for one in labels
    }
    return {**result, "mirror": Mirror(kept=promised)}


def _mirrored(words: Sequence[str]) -> Keeps:
    """Return what a mirror does to a label."""
    if "odd" in words:
        return Keeps.EQUIVARIANT
    return Keeps.EXACT if "mirror" in words else Keeps.FORBIDDEN


def usual_views(views: Mapping[str, View], label: str, frames: int, window: int) -> tuple[str, ...]:
    """Return names of promised views that make pairs: other times where there are, shift, mirror.

    A mirror that changes the sign of the label makes no pair.

    Args:
        views: By name.
        label: What is served.
        frames: Of a run.
        window: Frames that the encoder reads at once.
    """
    usual = (*(("time-lag",) if frames > window else ()), "shift", "mirror")
    return tuple(name for name in usual if views[name].keeps.get(label) is Keeps.EXACT)
