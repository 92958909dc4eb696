"""Views of runs that are symmetries of their equation, and what they do to its parameters.

Each is exact for the equation that it is told, changes the parameters by a known map, or says that
it is forbidden. The tests hold the residual of transformed solutions against the equation.

==================  ================  =================  ==============  =========================
view                Burgers           Kuramoto-Siv.      KdV             2-D flow
==================  ================  =================  ==============  =========================
``Shift``           exact             exact              exact           exact (forced: by periods)
``Parity``          -u(-x)            -u(-x)             forbidden       w(-x, -y)
``Galilean``        exact             exact              exact           forbidden (no mean flow)
``Rescale``         equivariant       forbidden          equivariant     equivariant
``QuarterTurn``     -                 -                  -               exact, forced: forbidden
``Reflect``         -                 -                  -               exact, forced: forbidden
``ShiftReflect``    -                 -                  -               exact
==================  ================  =================  ==============  =========================
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from formwright.datasets.cases import Case
from formwright.datasets.errors import ViewError
from formwright.datasets.pde.equations import equation as named
from formwright.datasets.pde.runs import grid_values, on_rings, with_values
from formwright.surrogate.keeps import Keeps

CARRIED: Final[Mapping[str, float]] = {
    "burgers": 1.0,
    "kuramoto-sivashinsky": 1.0,
    "kdv": 6.0,
}
"""Speed at which the equation carries a mean of 1."""


def promise(keeps: Keeps, equation: str) -> Mapping[str, Keeps]:
    """Return one promise for all parameters of an equation.

    Raises:
        UnknownNameError: There is no such equation.
    """
    return dict.fromkeys(named(equation).PARAMETERS, keeps)


@dataclass(frozen=True, kw_only=True, slots=True)
class Shift:
    """The run seen from another origin, a whole number of points away on every axis.

    Attributes:
        equation: Its kind.
        waves: Periods of the force of a forced 2-D flow along its second axis, which is then
            shifted by whole periods; 0 where nothing is forced.
    """

    equation: str = "burgers"
    waves: int = 0
    joint: ClassVar[bool] = False

    @property
    def keeps(self) -> Mapping[str, Keeps]:
        """Return the promise."""
        return promise(Keeps.EXACT, self.equation)

    def __call__(self, case: Case, generator: torch.Generator) -> Case:
        """Return the batch with every case rolled."""
        values = ring_values(case, "Shift")
        for axis in range(3, values.dim()):
            points = values.shape[axis]
            step = 1
            if self.waves and axis == 4:
                step = _period(points, self.waves)
            roll = step * torch.randint(0, points // step, (len(values),), generator=generator)
            values = rolled(values, roll.to(values.device), axis)
        return with_values(case, values)


@dataclass(frozen=True, kw_only=True, slots=True)
class Parity:
    """The run turned through the origin: u -> -u(-x); in the plane w -> w(-x, -y).

    Attributes:
        equation: Its kind.
        probability: Of each case to be turned.
    """

    equation: str = "burgers"
    probability: float = 0.5
    joint: ClassVar[bool] = False

    @property
    def keeps(self) -> Mapping[str, Keeps]:
        """Return the promise: u_xxx changes sign with neither x nor u alone, so KdV loses it."""
        kept = Keeps.FORBIDDEN if self.equation == "kdv" else Keeps.EXACT
        return promise(kept, self.equation)

    def __call__(self, case: Case, generator: torch.Generator) -> Case:
        """Return the batch with some cases turned."""
        values = ring_values(case, "Parity")
        sign = 1.0 if values.dim() == 5 else -1.0
        turned = sign * backwards(values, *range(3, values.dim()))
        return _some(case, values, turned, self.probability, generator)


@dataclass(frozen=True, kw_only=True, slots=True)
class Galilean:
    """The run seen from a frame in steady motion: u -> u(x - c t) + c (KdV: x - 6 c t).

    The field between the points is its Fourier series, so a run whose highest modes are empty is
    moved exactly.

    Attributes:
        equation: Its kind.
        speed: Standard deviation of c.
    """

    equation: str = "burgers"
    speed: float = 0.3
    joint: ClassVar[bool] = False

    @property
    def keeps(self) -> Mapping[str, Keeps]:
        """Return the promise; the vorticity of a 2-D flow here has no mean flow to change."""
        kept = Keeps.EXACT if self.equation in CARRIED else Keeps.FORBIDDEN
        return promise(kept, self.equation)

    def __call__(self, case: Case, generator: torch.Generator) -> Case:
        """Return the batch, each case in a frame of its own.

        Raises:
            ViewError: The cases are not one-dimensional.
        """
        values = ring_values(case, "Galilean")
        if values.dim() != 4 or self.equation not in CARRIED:
            raise ViewError(
                f"Galilean(equation={self.equation!r}) moves 1-D runs of {', '.join(CARRIED)}; got "
                f"fields of shape {tuple(values.shape)}."
            )
        c = self.speed * torch.randn(len(values), generator=generator, dtype=torch.float64)
        c = c.to(values)
        frames, points = values.shape[1], values.shape[3]
        t = case.start[:, None] + case.interval[:, None] * torch.arange(frames).to(values)
        away = CARRIED[self.equation] * c[:, None] * t / case.spacing[:, :1]
        m = torch.arange(points // 2 + 1).to(values)
        turn = torch.exp(-2j * math.pi / points * m * away[..., None])
        moved = torch.fft.irfft(torch.fft.rfft(values) * turn[:, :, None], n=points)
        return with_values(case, moved + c[:, None, None, None])


@dataclass(frozen=True, kw_only=True, slots=True)
class Rescale:
    """The run in another unit of time: fields times a, times by 1/a, and the parameters with them.

    Viscosity, dispersion and drag are multiplied by a, the force by a^2. For labels that the case
    carries this is done; both branches see the same copy.

    Attributes:
        equation: Its kind.
        least: Lowest a, log-uniform.
        most: Highest.
    """

    equation: str = "burgers"
    least: float = 0.5
    most: float = 2.0
    joint: ClassVar[bool] = True
    POWERS: ClassVar[Mapping[str, int]] = {
        "viscosity": 1,
        "dispersion": 1,
        "drag": 1,
        "forcing": 2,
    }

    @property
    def keeps(self) -> Mapping[str, Keeps]:
        """Return the promise; the second derivative of Kuramoto-Sivashinsky has a fixed factor."""
        fixed = self.equation == "kuramoto-sivashinsky"
        return promise(Keeps.FORBIDDEN if fixed else Keeps.EQUIVARIANT, self.equation)

    def __call__(self, case: Case, generator: torch.Generator) -> Case:
        """Return the batch, each case in a unit of its own."""
        values = grid_values(case)
        a = factors(values, self.least, self.most, generator)
        labels = {
            name: case[name] * a.to(case[name]) ** power
            for name, power in self.POWERS.items()
            if name in case
        }
        times = {"interval": case.interval / a, "start": case.start / a}
        return with_values(case, values * each_case(a, values), **times, **labels)


@dataclass(frozen=True, kw_only=True, slots=True)
class QuarterTurn:
    """A 2-D flow turned by 0, 90, 180 or 270 degrees.

    Attributes:
        forced: Whether a force points one way, which a turn would change.
    """

    forced: bool = True
    joint: ClassVar[bool] = False

    @property
    def keeps(self) -> Mapping[str, Keeps]:
        """Return the promise."""
        return promise(Keeps.FORBIDDEN if self.forced else Keeps.EXACT, "flow2d")

    def __call__(self, case: Case, generator: torch.Generator) -> Case:
        """Return the batch with every case turned.

        Raises:
            ViewError: The grid is not square.
        """
        values = plane(case, "QuarterTurn")
        turns = torch.randint(0, 4, (len(values),), generator=generator).to(values.device)
        turned = values
        for count in range(1, 4):
            chosen = each_case(turns == count, values)
            turned = torch.where(chosen, backwards_turn(values, count), turned)
        return with_values(case, turned)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reflect:
    """A 2-D flow in a mirror: w -> -w(-x, y).

    Attributes:
        forced: Whether a force points along x, which the mirror would turn round.
        probability: Of each case to be mirrored.
    """

    forced: bool = True
    probability: float = 0.5
    joint: ClassVar[bool] = False

    @property
    def keeps(self) -> Mapping[str, Keeps]:
        """Return the promise."""
        return promise(Keeps.FORBIDDEN if self.forced else Keeps.EXACT, "flow2d")

    def __call__(self, case: Case, generator: torch.Generator) -> Case:
        """Return the batch with some cases mirrored."""
        values = plane(case, "Reflect")
        return _some(case, values, -backwards(values, 3), self.probability, generator)


@dataclass(frozen=True, kw_only=True, slots=True)
class ShiftReflect:
    """A forced 2-D flow in a mirror and shifted by half a period of the force: still a solution.

    w -> -w(-x, y + period / 2), the discrete symmetry of Kolmogorov flow (Chandler and Kerswell,
    J. Fluid Mech. 722 (2013) 554).

    Attributes:
        waves: Periods of the force in the box.
        probability: Of each case to be changed.
    """

    waves: int = 4
    probability: float = 0.5
    joint: ClassVar[bool] = False

    @property
    def keeps(self) -> Mapping[str, Keeps]:
        """Return the promise."""
        return promise(Keeps.EXACT, "flow2d")

    def __call__(self, case: Case, generator: torch.Generator) -> Case:
        """Return the batch with some cases changed."""
        values = plane(case, "ShiftReflect")
        half = _period(values.shape[4], 2 * self.waves)
        changed = -backwards(values, 3).roll(-half, 4)
        return _some(case, values, changed, self.probability, generator)


def factors(
    values: Tensor, least: float, most: float, generator: torch.Generator
) -> Float[Tensor, " cases"]:
    """Return a log-uniform number for each case of a field."""
    low, high = math.log(least), math.log(most)
    u = torch.rand(len(values), generator=generator, dtype=torch.float64)
    return torch.exp(low + (high - low) * u).to(values)


def each_case(x: Shaped[Tensor, " cases"], values: Tensor) -> Tensor:
    """Return one value a case in a shape that goes with the field ``values``."""
    return x.reshape(-1, *[1] * (values.dim() - 1))


def backwards(values: Tensor, *axes: int) -> Tensor:
    """Return the field with point i at the place of point -i, along some axes; point 0 stays."""
    return values.flip(axes).roll([1] * len(axes), axes)


def backwards_turn(values: Tensor, quarters: int) -> Tensor:
    """Return the field turned about point (0, 0) by some quarters: w'(x, y) = w(y, -x) for one."""
    for _ in range(quarters):
        values = backwards(values.transpose(3, 4), 3)
    return values


def rolled(values: Tensor, roll: Int[Tensor, " cases"], axis: int) -> Tensor:
    """Return each case rolled along an axis by its own number of points."""
    points = values.shape[axis]
    index = (torch.arange(points, device=roll.device) - roll[:, None]) % points
    shape = [len(values), *[1] * (values.dim() - 1)]
    shape[axis] = points
    return values.gather(axis, index.reshape(shape).expand_as(values))


def ring_values(case: Case, view: str) -> Float[Tensor, "cases frames channels *space"]:
    """Return the fields of cases that go on round the ends of their grid.

    Raises:
        CorpusError: They do not.
    """
    if "periodic" in case:
        on_rings(case.periodic, view)
    return grid_values(case)


def plane(case: Case, view: str) -> Float[Tensor, "cases frames channels x y"]:
    """Return the fields of 2-D cases on a square grid.

    Raises:
        ViewError: They are not.
        CorpusError: They have walls.
    """
    values = ring_values(case, view)
    if values.dim() != 5 or values.shape[3] != values.shape[4]:
        raise ViewError(f"{view} needs 2-D fields on a square grid; got {tuple(values.shape[3:])}.")
    return values


def _period(points: int, waves: int) -> int:
    """Return the points of one of ``waves`` periods.

    Raises:
        ViewError: That is no whole number.
    """
    if points % waves:
        raise ViewError(
            f"{waves} (half) periods of the force do not divide the {points} points of the axis: "
            "take a grid on which they do."
        )
    return points // waves


def _some(
    case: Case, values: Tensor, changed: Tensor, share: float, generator: torch.Generator
) -> Case:
    """Return the batch with some of its cases changed."""
    chosen = (torch.rand(len(values), generator=generator) < share).to(values.device)
    return with_values(case, torch.where(each_case(chosen, values), changed, values))
