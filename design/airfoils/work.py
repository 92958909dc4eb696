"""The verified loop for sections: every round corrects the surrogate, searches, and is verified."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.airfoils.sections import Section, validate, write_dat
from formwright.datasets.config import from_mapping, to_mapping
from formwright.datasets.files import write_record
from formwright.design.airfoils import handover
from formwright.design.airfoils.correction import Corrected, doubt, offsets_from
from formwright.design.airfoils.handover import AirfoilRound
from formwright.design.airfoils.polar_files import polars
from formwright.design.airfoils.results import result
from formwright.design.airfoils.stages import Claims, Offsets, Setup, claim, quietly, tightened
from formwright.design.airfoils.verify import Verification, from_json, verify
from formwright.design.loop import Place, Tell
from formwright.design.objectives import OBJECTIVES, ObjectiveKind
from formwright.design.optimise.memory import Memory
from formwright.design.optimise.progress import Progress
from formwright.design.optimise.solve import draw_starts, search, solution
from formwright.design.problem import Problem
from formwright.design.records import plain, read_json


@dataclass(frozen=True, kw_only=True, slots=True)
class Searched:
    """What a round searches with.

    Attributes:
        index: Of the round.
        offsets: The surrogate's correction at the operating points.
        problem: What is solved.
        x0: Where the search begins.
    """

    index: int
    offsets: Offsets
    problem: Problem
    x0: Float[Tensor, " parameters"]


@dataclass(frozen=True, kw_only=True, slots=True)
class AirfoilWork:
    """A study of an airfoil at work."""

    setup: Setup
    tell: Tell

    def start(self) -> Claims:
        """Return the claims on the start."""
        return self.setup.start

    def refit(self, rounds: Sequence[AirfoilRound], place: Path) -> Searched:
        """Correct the surrogate by the verdicts of the last round, where its search begins.

        Was that design refuted (a point without a verdict), the search begins at the start again,
        with half the slack of the guards and twice the caution for each time that it happened.
        A cautious search counts as many deviations as the surrogate was off so far at least, at
        the start, too.
        """
        setup, last = self.setup, rounds[-1]
        label = "cl" if setup.study.objective is ObjectiveKind.LIFT else "cd"
        surprises = [doubt(r.claims.prediction, r.verdicts.verdicts, label) for r in rounds]
        caution = setup.study.caution and max(setup.study.caution, *surprises)
        refuted = sum(found.verdicts.missed > 0 for found in rounds[1:])
        offsets = {} if last.claims.solution is None else corrections(setup, last)
        surrogate = setup.problem.surrogate
        problem = Problem(
            space=setup.space,
            surrogate=Corrected(surrogate, offsets) if offsets else surrogate,
            objective=OBJECTIVES[setup.study.objective](
                setup.points.weights, caution * 2.0**refuted
            ),
            constraints=tightened(setup, 0.5**refuted),
        )
        found = None if last.verdicts.missed else last.claims.solution
        x0 = setup.x0 if found is None else found.x
        return Searched(index=len(rounds), offsets=offsets, problem=problem, x0=x0)

    def propose(self, model: Searched, rounds: Sequence[AirfoilRound], place: Path) -> Progress:
        """Search; what is asked on the way is kept until the search has ended."""
        of = self.setup.study.rounds
        self.tell(f"round {model.index} of {of}", (model.index - 1) / of)
        method, kept = self.setup.study.method, place / "search.json"
        memory = Memory(place / "answers.npy")
        values = read_json(kept)
        if values is None:
            generator = torch.Generator().manual_seed(self.setup.study.seed + model.index - 1)
            starts = draw_starts(model.problem, method, model.x0, generator)
            values = to_mapping(Progress(starts=starts))
        progress = from_mapping(Progress, values, where=str(kept))
        ended = search(model.problem, method, progress, partial(_write, kept), memory)
        _write(kept, ended)
        (place / "answers.npy").unlink()
        return ended

    def claim(self, model: Searched, proposal: Any) -> Claims:
        """Return the claims on the best design of a search."""
        result = solution(model.problem, from_mapping(Progress, proposal, where="proposals.json"))
        setup, offsets = self.setup, model.offsets
        return claim(setup.problem.surrogate, setup.points, result.case, offsets, result)

    def verify(self, claims: Claims) -> Verification:
        """Ask the solver about a section at its operating points."""
        setup = self.setup
        return verify(
            claims.pos,
            setup.points,
            setup.chosen.solver,
            claims.alpha_deg,
            sweep=setup.chosen.fitted(setup.study.sweep),
            workers=setup.study.workers,
        )

    def read(self, verdicts: Any) -> Verification:
        """Return a verification from JSON."""
        return from_json(verdicts)

    def labels(self, rounds: Sequence[AirfoilRound]) -> Iterable[Mapping[str, Any]]:
        """Yield every sweep that the solver was asked for."""
        for found in rounds:
            sweeps = found.verdicts.sweeps
            for point, sweep in zip(self.setup.points.points, sweeps, strict=True):
                yield {
                    "solver": found.verdicts.solver,
                    "settings": dict(found.verdicts.settings),
                    "pos": found.claims.pos.tolist(),
                    "reynolds": point.reynolds,
                    "ncrit": point.ncrit,
                    "mach": point.mach,
                    "alpha_deg": sweep.alpha_deg,
                    "labels": dict(sweep.labels),
                    "used": sweep.used,
                    "reason": sweep.reasons,
                }

    def ranks(self, found: AirfoilRound) -> list[handover.Rank]:
        """Return what orders the one design of a round."""
        return [handover.rank(self.setup, found)]

    def conclude(
        self, rounds: Sequence[AirfoilRound], order: Sequence[Place], folder: Path
    ) -> dict[str, Any]:
        """Write start, design and polars, and return the content of ``result.json``."""
        self.tell("done", 1.0)
        setup, start = self.setup, rounds[0]
        designs = handover.latest(setup, [found for found, _ in order])
        best = designs[0]
        for name, one in (("start", start), ("best", best)):
            called, pos = handover.name(setup, one), one.claims.pos.detach()
            validate(pos, called)
            section = Section(name=called, pos=pos, family="study", source=setup.study.name)
            write_dat(folder / f"{name}.dat", section)
        write_record(folder / "polars.json", plain(polars(setup, best, start)))
        return result(setup, rounds, designs)


def _write(path: Path, progress: Progress) -> None:
    """Write the state of a search, compactly: a batched method has one after every step."""
    write_record(path, to_mapping(progress), indent=None)


def corrections(setup: Setup, before: AirfoilRound) -> Offsets:
    """Return the offsets that make the surrogate agree with the last round's verdicts."""
    verdicts = before.verdicts.verdicts
    case = before.claims.case.clone()
    alpha = [
        verdict.alpha_deg if verdict.converged else claimed
        for verdict, claimed in zip(verdicts, before.claims.alpha_deg, strict=True)
    ]
    case.alpha_deg = torch.tensor(alpha, dtype=torch.float64)
    predicted = quietly(setup.problem.surrogate, case)
    model = before.model
    return offsets_from(predicted, verdicts, {} if model is None else model.offsets)
