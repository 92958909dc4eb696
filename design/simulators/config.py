"""What a study of a simulator of one's own is asked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from formwright.datasets.errors import ConfigError

COMMAND = "command:"


@dataclass(frozen=True, kw_only=True, slots=True)
class InputSpec:
    """An input of the simulator.

    Attributes:
        lower: Lowest value.
        upper: Highest value.
        unit: For the report.
        start: Of the design that the search begins with; all inputs have one, or none has.
        logarithmic: Searched evenly in its logarithm.

    Example:
        >>> import formwright
        >>> formwright.InputSpec(lower=1.0, upper=10.0, unit="mm").unit
        'mm'
    """

    lower: float
    upper: float
    unit: str = ""
    start: float | None = None
    logarithmic: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no range."""
        if not -math.inf < self.lower < self.upper < math.inf:
            raise ConfigError(
                f"an input from lower = {self.lower:g} to upper = {self.upper:g}: give two finite "
                "numbers, the lower one first."
            )
        if self.start is not None and not self.lower <= self.start <= self.upper:
            raise ConfigError(
                f"start = {self.start:g} lies outside of {self.lower:g} to {self.upper:g}."
            )
        if self.logarithmic and self.lower <= 0.0:
            raise ConfigError(f"a logarithmic input needs lower > 0; got {self.lower:g}.")

    def value(self, share: float) -> float:
        """Return the value at a share of the range, 0 to 1."""
        if self.logarithmic:
            return self.lower * (self.upper / self.lower) ** share
        return self.lower + share * (self.upper - self.lower)

    def share(self, value: float) -> float:
        """Return where a value lies in the range, 0 to 1."""
        if self.logarithmic:
            return math.log(value / self.lower) / math.log(self.upper / self.lower)
        return (value - self.lower) / (self.upper - self.lower)


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputBound:
    """A constraint: an output between bounds.

    Attributes:
        output: Name of the output.
        lower: At least, or None.
        upper: At most, or None.
        unit: For the report.

    Example:
        >>> import formwright
        >>> formwright.OutputBound(output="stress", upper=250.0, unit="MPa").upper
        250.0
    """

    output: str
    lower: float | None = None
    upper: float | None = None
    unit: str = ""

    def __post_init__(self) -> None:
        """Refuse a constraint without a bound, or with bounds that contradict each other."""
        if self.lower is None and self.upper is None:
            raise ConfigError(f"constraint on {self.output!r}: give lower or upper.")
        if self.lower is not None and self.upper is not None and self.lower > self.upper:
            raise ConfigError(
                f"constraint on {self.output!r}: lower = {self.lower:g} is above upper = "
                f"{self.upper:g}."
            )

    def excess(self, value: float) -> float:
        """Return how far a value lies outside, in its own unit; 0 where it is kept."""
        low = -math.inf if self.lower is None else self.lower - value
        high = -math.inf if self.upper is None else value - self.upper
        return max(low, high, 0.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulatorSpec:
    """What a study of a simulator is asked: inputs, one output to make small, who answers.

    Attributes:
        kind: Tells these studies from others.
        inputs: By name.
        name: What the report is called.
        minimize: Output that is made small; this or ``maximize``.
        maximize: Output that is made large.
        unit: Of that output.
        constraints: What other outputs must keep.
        verifier: ``"command: ./run.sh {case}"``: the program, run without a shell; ``{case}`` is
            the path of a JSON file with ``inputs`` by name. The last line that it prints is a JSON
            object of numbers, the outputs. In Python a function takes its place.
        initial: Cases drawn evenly (Sobol') in the first round; the inputs and two where None.
        batch: Cases of each later round; as many as are run at once where None.
        rounds: How often cases are proposed and run, the first time included.
        workers: Cases run at once.
        timeout_s: Longest that one case of a program may take, by the clock; a function is
            waited for.
        seed: Of the first cases and of the search.

    Example:
        >>> import formwright
        >>> study = formwright.SimulatorStudy(
        ...     inputs={"x": formwright.InputSpec(lower=0.0, upper=1.0)},
        ...     minimize="y",
        ...     verifier="command: ./run.sh {case}",
        ... )
        >>> study.first
        3
    """

    kind: Literal["simulator"] = "simulator"
    inputs: Mapping[str, InputSpec]
    name: str = "simulator"
    minimize: str = ""
    maximize: str = ""
    unit: str = ""
    constraints: tuple[OutputBound, ...] = ()
    verifier: str = ""
    initial: int | None = None
    batch: int | None = None
    rounds: int = 24
    workers: int = 1
    timeout_s: float = 600.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not self.inputs:
            raise ConfigError("a study of a simulator needs at least one [inputs.NAME] table.")
        if bool(self.minimize) == bool(self.maximize):
            raise ConfigError(
                f"give minimize or maximize, one of them; got minimize = {self.minimize!r} and "
                f"maximize = {self.maximize!r}."
            )
        given = [name for name, one in self.inputs.items() if one.start is not None]
        if given and len(given) < len(self.inputs):
            missing = ", ".join(name for name in self.inputs if name not in given)
            raise ConfigError(f"inputs {missing} have no start, others have: give all, or none.")
        counts = {"batch": self.each, "rounds": self.rounds, "workers": self.workers}
        for name, value in {**counts, "initial": self.first, "timeout_s": self.timeout_s}.items():
            if not value > 0:
                raise ConfigError(f"{name} = {value} should be above 0.")
        if self.verifier and not self.verifier.startswith(COMMAND):
            raise ConfigError(
                f"verifier = {self.verifier!r} should be 'command: PROGRAM {{case}}'; a function "
                "is given in Python: run(study, folder, function=f)."
            )

    @property
    def first(self) -> int:
        """Cases of the first round."""
        return len(self.inputs) + 2 if self.initial is None else self.initial

    @property
    def each(self) -> int:
        """Cases of each later round."""
        return self.workers if self.batch is None else self.batch

    @property
    def output(self) -> str:
        """Name of the output that is made small or large."""
        return self.minimize or self.maximize

    @property
    def sign(self) -> float:
        """1 where the output is made small, -1 where it is made large."""
        return 1.0 if self.minimize else -1.0

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs that the study reads."""
        return tuple(dict.fromkeys((self.output, *(one.output for one in self.constraints))))
