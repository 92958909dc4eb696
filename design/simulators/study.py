"""The study of a simulator of one's own: any program, or a function, with numbers in and out.

``formwright.design.loop`` runs it. Beside what all studies write, this kind writes ``best.json``; a
round's folder holds ``case-N.json`` and ``answer-N.json``, so that a study that was killed asks
nothing twice.

``result.json``::

    format_version   1
    kind             "simulator"
    name, verdict, reasons
    objective        {output, unit, better: "lower" | "higher"}
    best             the best case that was run, as below
    start            the case that was given as the start, or null
    cases            [{round, case, inputs: {name: number},
                       claimed: {output: {mean, lower, upper}} (empty in the first round),
                       outputs: {name: number} (empty where it failed),
                       within: bool | null (the objective's verdict inside its interval),
                       missed: [output, ...] (constraints), reason, seconds}, ...]
    kept             [verdicts inside the interval, verdicts with a claim]; level: of the interval
    study, seconds, versions, started, finished
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from formwright.datasets.errors import ConfigError
from formwright.design.loop import Summary, Tell
from formwright.design.simulators.config import COMMAND, SimulatorSpec
from formwright.design.simulators.verifier import Command, Function
from formwright.design.simulators.work import SimulatorWork


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulatorStudy(SimulatorSpec):
    """A search of a simulator's inputs that ``formwright.design.loop.run`` runs.

    Its keys are those of ``SimulatorSpec``.

    Example:
        >>> import formwright
        >>> study = formwright.SimulatorStudy(
        ...     inputs={"x": formwright.InputSpec(lower=-2.0, upper=3.0)},
        ...     minimize="y",
        ...     rounds=6,
        ... )
        >>> done = formwright.run(study, "runs/own", function=lambda one: {"y": one["x"] ** 2})
        >>> done.verified < 0.01
        True
    """

    place: ClassVar[str] = "round-{}"
    written: ClassVar[tuple[str, ...]] = ("best.json",)
    reads: ClassVar[tuple[str, ...]] = ()

    def begin(
        self,
        *,
        function: Function | None = None,
        tell: Tell = lambda what, share: None,
    ) -> SimulatorWork:
        """Check who answers.

        Args:
            function: Inputs by name in, outputs by name out; instead of ``verifier``. Whatever it
                raises is a failed case with that reason.
            tell: Told what is done, and which share of the rounds is behind it.

        Raises:
            ConfigError: Nobody answers.
            MissingSolverError: The program is not there.
        """
        if function is not None:
            return SimulatorWork(study=self, ask=function, tell=tell)
        if not self.verifier:
            raise ConfigError(
                "the study says nobody who answers: verifier = 'command: PROGRAM {case}', or in "
                "Python run(study, folder, function=f)."
            )
        command = Command.of(self.verifier.removeprefix(COMMAND).strip(), self.timeout_s)
        return SimulatorWork(study=self, ask=command, tell=tell)

    def summary(self, result: Mapping[str, Any]) -> Summary:
        """Return the objective of the best case, and how many cases were answered."""
        best, output = result["best"], self.output
        claimed = best["claimed"].get(output)
        return Summary(
            claimed=None if claimed is None else claimed["mean"],
            verified=best["outputs"].get(output),
            judged=(sum(not row["reason"] for row in result["cases"]), len(result["cases"])),
            reasons=tuple(result["reasons"]),
        )

    @staticmethod
    def report(folder: Path) -> Path:
        """Write ``report.html`` from ``result.json``, and return its path."""
        from formwright.design.simulators.report import write_report

        return write_report(folder)


STUDY: Final = SimulatorStudy
