"""The study of an airfoil: a section is optimised, verified, and the surrogate corrected by that.

``formwright.design.loop`` runs it and has what all studies write. Beside that, this kind writes
``polars.json``, ``start.dat`` and ``best.dat``; its rounds lie in ``state/``.

``result.json``::

    format_version   3
    kind             "airfoil"
    name             str
    verdict          str: what speaks against the design, then objective at the start and at the
                     end, who verified it
    reasons          [str, ...] why the design should not be used as it is; empty where all is well
    notes            [str, ...] what was warned of before the search
    surrogate        {name, labels: {label: unit}, level}       of the design's search; level:
                     coverage of the intervals
    solver           {requested, name, version, why, settings}  why: how "auto" was decided
    start, best      {section, file, round, parameters: {name: value}, geometry: {...}}
                     best is the best verified design; its round is null where that is the start
    points           one entry an operating point:
      {target_cl | null, reynolds, ncrit, mach, weight,
       start, best: {claimed:  {alpha_deg, labels: {label: {mean, std, lower, upper}}},
                     verified: {converged, reason, alpha_deg, labels: {label: number | null},
                                dropped, within: {label: bool}}}}
                     dropped: sweep points left out as false; within: verdict inside the interval
    objective        {kind, lower_is_better: true (of the numbers here),
                      shown_as: {name, factor, better: "lower" | "higher"}  (as people know it:
                      factor times the numbers here, e.g. L/D is -1 times what is made small)
                      start, best: {claimed, verified: number | null}}
    constraints      one entry a constraint:
      {name, lower, upper: number | [number, ...] | null,
       start, best: {claimed: [number | null, ...], verified: [number | null, ...],
                     satisfied: bool (claimed), violation: number (claimed, in its own unit),
                     verified_satisfied: bool | null}}
                     verified: the same function of the solver's labels; null where it cannot be;
                     satisfied means within 1/1000 of the constraint's scale, verified within 1/10
    optimisation     {method: {kind, ...}, seed, success, message, iterations, evaluations,
                      seconds, starts: [{objective, violation, success, message, iterations}, ...],
                      history: [{round, surrogate, start, iteration, objective, violation}, ...]}
                     start -1: all starts of a batched method at once (objective of the best)
    rounds           [{round, surrogate, claimed, verified, feasible, verified_feasible,
                      offsets: {label: [number, ...]}}, ...]   one a round and surrogate; feasible:
                     by the claim; verified_feasible: all points verified and the constraints kept
                     by the verdict; offsets: the correction that this search was made with
    study            the study itself, as a mapping (what study.toml says, defaults filled in)
    seconds          {optimise, verify, total}
    versions         {formwright, torch, numpy, scipy, python, solver}
    started, finished   ISO 8601, UTC

``polars.json``::

    format_version   3
    stations         [x/c, ...], where the pressures are given
    sections         {start, best: {name, pos: [[x, y], ...]}}   upper trailing edge first
    start, best      one entry an operating point, in the order of ``points`` above:
      {reynolds, ncrit, mach,
       claimed:  {alpha_deg: [...], label: [...], label + "_lower": [...], label + "_upper": [...]},
       verified: {alpha_deg: [...], label: [number | null, ...], converged: [bool, ...],
                  used: [bool, ...], reason: [str, ...]},
       cp: {claimed, verified: {alpha_deg, top: [...], bottom: [...]} | null}}
                 used: converged and not dropped as false; cp: at the design's operating point
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from formwright.datasets.errors import StudyWarning
from formwright.design.airfoils.specs import StudySpec
from formwright.design.airfoils.stages import prepare
from formwright.design.airfoils.verifiers import Chosen, choose
from formwright.design.airfoils.work import AirfoilWork
from formwright.design.loop import Summary, Tell
from formwright.design.objectives import shown
from formwright.surrogate.model import Surrogate


@dataclass(frozen=True, kw_only=True, slots=True)
class Study(StudySpec):
    """A design task that ``formwright.design.loop.run`` runs: from a start to a verified design.

    Its keys are those of ``StudySpec``.

    Example:
        >>> import formwright
        >>> from formwright.datasets.config import from_mapping
        >>> points = [{"cl": 0.6, "reynolds": 1e6}]
        >>> from_mapping(formwright.Study, {"points": points}).surrogate
        'airfoil-polar'
    """

    place: ClassVar[str] = "state/round-{}"
    written: ClassVar[tuple[str, ...]] = ("polars.json", "start.dat", "best.dat")
    reads: ClassVar[tuple[str, ...]] = ("start", "surrogate")

    def begin(
        self,
        *,
        surrogate: Surrogate | None = None,
        chosen: Chosen | None = None,
        tell: Tell = lambda what, share: None,
    ) -> AirfoilWork:
        """Load, check and prepare.

        Args:
            surrogate: Use this one alone instead of loading ``surrogate`` and ``beside``.
            chosen: Verify with this one instead of ``solver``.
            tell: Told what is done, and which share of the rounds is behind it.

        Raises:
            ConfigError: The study cannot be.
            UnknownNameError: It names a start, surrogate or label that there is not.
            MissingSolverError: The solver asked for is not installed.
        """
        verifier = chosen or choose(self.solver)
        names = (self.surrogate, *(() if surrogate is not None else self.searching_beside))
        models = [load_surrogate(name) for name in names] if surrogate is None else [surrogate]
        tracks = tuple(
            prepare(self, model.eval().requires_grad_(False), verifier, name)
            for name, model in zip(names, models, strict=True)
        )
        for note in dict.fromkeys(note for track in tracks for note in track.notes):
            warnings.warn(note, StudyWarning, stacklevel=3)
        return AirfoilWork(tracks=tracks, tell=tell)

    def summary(self, result: Mapping[str, Any]) -> Summary:
        """Return the objective as people know it, and the operating points that were verified."""
        best, factor = result["objective"]["best"], shown(self.objective).factor
        verdicts = [point["best"]["verified"]["converged"] for point in result["points"]]
        return Summary(
            claimed=factor * best["claimed"],
            verified=None if best["verified"] is None else factor * best["verified"],
            judged=(sum(verdicts), len(verdicts)),
            reasons=tuple(result["reasons"]),
        )

    @staticmethod
    def report(folder: Path) -> Path:
        """Write ``report.html`` from ``result.json`` and ``polars.json``, and return its path."""
        from formwright.design.report.page import write_report

        return write_report(folder)


STUDY: Final = Study


def load_surrogate(name: str) -> Surrogate:
    """Return the panel method as a surrogate, a shipped one, or one from a folder, in float64.

    Names joined by ``+`` are an ensemble: the mean of all. An optimiser near its end compares
    values that differ by less than float32 resolves.

    Raises:
        UnknownNameError: There is none of that name.
    """
    members = name.split("+")
    if len(members) > 1:
        from formwright.surrogate.uncertainty.ensemble import Ensemble

        return Ensemble([load_surrogate(one) for one in members])
    if name == "panel":
        from formwright.surrogate.airfoils.panel import PanelSurrogate

        return PanelSurrogate()
    from formwright.surrogate.zoo import load

    return load(name).double()
