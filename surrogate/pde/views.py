"""Views of runs on a grid: other times, fewer sensors, noise, gaps, another fidelity.

What labels a run is constant in it, so the same run later is another view of the same label: the
free positive pair of unsteady simulations. The symmetries of the equations are in
``symmetries``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from formwright.datasets.cases import Batch, Case
from formwright.datasets.errors import CorpusError, ViewError
from formwright.datasets.pde.runs import FieldRuns, grid_values, with_values
from formwright.surrogate.keeps import Keeps
from formwright.surrogate.pde.symmetries import each_case, factors, promise


@dataclass(frozen=True, kw_only=True, slots=True)
class TimeLag:
    """A window of the run at a random time, another for each branch ("augmentation by waiting").

    Exact for what is constant in a run: the parameters of the equation.

    Attributes:
        equation: Its kind.
        frames: Of the window.
    """

    equation: str = "burgers"
    frames: int = 8
    joint: ClassVar[bool] = False

    @property
    def keeps(self) -> Mapping[str, Keeps]:
        """Return the promise."""
        return promise(Keeps.EXACT, self.equation)

    def __call__(self, case: Case, generator: torch.Generator) -> Case:
        """Return a window of each case.

        Raises:
            ViewError: The runs are no longer than one window: there are no pairs in time.
        """
        values = grid_values(case)
        if values.shape[1] <= self.frames:
            raise ViewError(
                f"TimeLag(frames={self.frames}) needs runs of more than {self.frames} frames, to "
                f"see the same run at two times; these have {values.shape[1]}: the corpus holds no "
                "pairs in time. Use views within one window, e.g. Window and Shift."
            )
        return _window(case, values, self.frames, generator)


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """A window of the run at a random time, the same for both branches.

    Attributes:
        equation: Its kind.
        frames: Of the window.
    """

    equation: str = "burgers"
    frames: int = 8
    joint: ClassVar[bool] = True

    @property
    def keeps(self) -> Mapping[str, Keeps]:
        """Return the promise."""
        return promise(Keeps.EXACT, self.equation)

    def __call__(self, case: Case, generator: torch.Generator) -> Case:
        """Return a window of each case.

        Raises:
            ViewError: The runs are shorter than a window.
        """
        values = grid_values(case)
        if values.shape[1] < self.frames:
            raise ViewError(
                f"Window(frames={self.frames}) is longer than the runs, of {values.shape[1]} "
                "frames."
            )
        return _window(case, values, self.frames, generator)


@dataclass(frozen=True, kw_only=True, slots=True)
class Amplitude:
    """The fields times a number, and nothing else changed: a false symmetry.

    Every equation here is non-linear: the product solves it with other parameters only
    (``Rescale`` gives them), or not at all. It is here to be refused, and to show in a benchmark
    what a view that is not true costs.

    Attributes:
        equation: Its kind.
        least: Lowest factor, log-uniform.
        most: Highest.
    """

    equation: str = "burgers"
    least: float = 0.5
    most: float = 2.0
    joint: ClassVar[bool] = False

    @property
    def keeps(self) -> Mapping[str, Keeps]:
        """Return the promise."""
        return promise(Keeps.FORBIDDEN, self.equation)

    def __call__(self, case: Case, generator: torch.Generator) -> Case:
        """Return the batch, each case times a number of its own."""
        values = grid_values(case)
        factor = factors(values, self.least, self.most, generator)
        return with_values(case, values * each_case(factor, values))


@dataclass(frozen=True, kw_only=True, slots=True)
class Coarsen:
    """The run on a coarser grid: one sensor of ``every`` along each axis, from a random first one.

    Exact: the run is the same, and less of it is seen.

    Attributes:
        equation: Its kind.
        every: Points of the old grid to one of the new.
    """

    equation: str = "burgers"
    every: int = 2
    joint: ClassVar[bool] = False

    @property
    def keeps(self) -> Mapping[str, Keeps]:
        """Return the promise."""
        return promise(Keeps.EXACT, self.equation)

    def __call__(self, case: Case, generator: torch.Generator) -> Case:
        """Return the batch on the coarser grid.

        Raises:
            ViewError: The grid has no such part.
        """
        values = grid_values(case)
        if any(n % self.every for n in values.shape[3:]):
            raise ViewError(
                f"Coarsen(every={self.every}) does not divide a grid of {tuple(values.shape[3:])}."
            )
        for axis in range(3, values.dim()):
            first = int(torch.randint(0, self.every, (1,), generator=generator))
            values = values.narrow(axis, first, values.shape[axis] - first)
            values = values.index_select(
                axis, torch.arange(0, values.shape[axis], self.every, device=values.device)
            )
        return with_values(case, values, spacing=case.spacing * self.every)


@dataclass(frozen=True, kw_only=True, slots=True)
class Noise:
    """Independent normal errors of every sensor and frame.

    Approximate: the parameters of the run stay, but what they did to scales below the noise is no
    longer seen. At a level of .01, second differences on 64 points of a smooth run of order 1 are
    wrong by a few per cent.

    Attributes:
        equation: Its kind.
        level: Standard deviation, in units of the root mean square of the case.
    """

    equation: str = "burgers"
    level: float = 0.01
    joint: ClassVar[bool] = False

    @property
    def keeps(self) -> Mapping[str, Keeps]:
        """Return the promise."""
        return promise(Keeps.APPROXIMATE, self.equation)

    def __call__(self, case: Case, generator: torch.Generator) -> Case:
        """Return the batch with noise."""
        values = grid_values(case)
        axes = tuple(range(1, values.dim()))
        size = values.square().mean(axes, keepdim=True).sqrt()
        error = torch.randn(values.shape, generator=generator).to(values)
        return with_values(case, values + self.level * size * error)


@dataclass(frozen=True, kw_only=True, slots=True)
class Mask:
    """The run with patches of space hidden at all times: set to zero, and ``visible`` False.

    Exact: the run is the same, and less of it is seen.

    Attributes:
        equation: Its kind.
        share: Of the patches that is hidden.
        patch: Points of a patch along each axis.
    """

    equation: str = "burgers"
    share: float = 0.25
    patch: int = 8
    joint: ClassVar[bool] = False

    @property
    def keeps(self) -> Mapping[str, Keeps]:
        """Return the promise."""
        return promise(Keeps.EXACT, self.equation)

    def __call__(self, case: Case, generator: torch.Generator) -> Case:
        """Return the batch with gaps.

        Raises:
            ViewError: Patches do not fill the grid.
        """
        values = grid_values(case)
        space = values.shape[3:]
        if any(n % self.patch for n in space):
            raise ViewError(
                f"Mask(patch={self.patch}) does not divide a grid of {tuple(space)} points."
            )
        patches = [n // self.patch for n in space]
        draw = torch.rand((len(values), math.prod(patches)), generator=generator)
        hidden = draw.argsort(1).argsort(1) < round(self.share * math.prod(patches))
        hidden = hidden.reshape(len(values), *patches).to(values.device)
        for axis in range(len(space)):
            hidden = hidden.repeat_interleave(self.patch, axis + 1)
        changed = with_values(case, values * ~hidden[:, None, None])
        changed.visible = ~hidden.flatten()
        return changed


@dataclass(frozen=True, kw_only=True, slots=True)
class Fidelity:
    """The run as a coarse solve has it, which the case carries as ``coarse``.

    Approximate: parameters and initial state are those of the fine solve; the error of the coarse
    one is in the fields. Applied before any view that changes the fields.

    Attributes:
        equation: Its kind.
        probability: Of each case to be replaced.
    """

    equation: str = "burgers"
    probability: float = 0.5
    joint: ClassVar[bool] = False

    @property
    def keeps(self) -> Mapping[str, Keeps]:
        """Return the promise."""
        return promise(Keeps.APPROXIMATE, self.equation)

    def __call__(self, case: Case, generator: torch.Generator) -> Case:
        """Return the batch with some runs of the coarse solve.

        Raises:
            ViewError: The cases carry no coarse solve, or were changed before.
        """
        coarse = case.coarse if "coarse" in case else None
        if coarse is None or coarse.shape != case.field.shape:
            got = "none" if coarse is None else f"one of shape {tuple(coarse.shape)}"
            raise ViewError(
                "Fidelity needs cases with a coarse solve, 'coarse', of the shape of the field, "
                f"{tuple(case.field.shape)}; got {got}. PairedRuns gives both; put Fidelity before "
                "the views that change fields."
            )
        chosen = torch.rand(len(case.grid), generator=generator) < self.probability
        point = chosen.to(coarse.device)[case.batch][:, None, None]
        changed = Batch.from_dict({k: v for k, v in case.to_dict().items() if k != "coarse"})
        changed.field = torch.where(point, coarse, case.field)
        return changed


@dataclass(frozen=True, slots=True)
class PairedRuns:
    """The same runs from a fine and from a coarse solve, on one grid; cases carry both.

    Attributes:
        fine: What ``field`` is.
        coarse: What ``coarse`` is.
    """

    fine: FieldRuns
    coarse: FieldRuns

    def __post_init__(self) -> None:
        """Refuse sets that do not belong together."""
        if self.fine.values.shape != self.coarse.values.shape:
            raise CorpusError(
                f"fine and coarse runs of one shape make pairs; got "
                f"{tuple(self.fine.values.shape)} and {tuple(self.coarse.values.shape)}."
            )

    def __len__(self) -> int:
        """Return the number of runs."""
        return len(self.fine)

    def batch(self, rows: Int[Tensor, " cases"]) -> Case:
        """Return some runs as one batch of cases."""
        case = self.fine.batch(rows)
        case.coarse = self.coarse.batch(rows).field
        return case


def _window(
    case: Case,
    values: Float[Tensor, "cases frames channels *space"],
    frames: int,
    generator: torch.Generator,
) -> Case:
    """Return a window at a random time of each case; ``start`` goes with it."""
    first = torch.randint(0, values.shape[1] - frames + 1, (len(values),), generator=generator)
    first = first.to(values.device)
    index = first[:, None] + torch.arange(frames, device=values.device)
    cases = torch.arange(len(values), device=values.device)[:, None]
    return with_values(case, values[cases, index], start=case.start + first * case.interval)
