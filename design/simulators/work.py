"""The verified loop for a simulator: cases spread evenly, then where gain is to be expected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.config import to_mapping
from formwright.datasets.files import write_record
from formwright.design.loop import Place, Tell
from formwright.design.records import plain
from formwright.design.simulators import results
from formwright.design.simulators.config import SimulatorSpec
from formwright.design.simulators.results import Claims, SimulatorRound
from formwright.design.simulators.search import Learned, Region, first_cases, processes, proposed
from formwright.design.simulators.verifier import Answer, Command, Function, answered

SMALLEST: Final = 0.05
WHOLE: Final = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """What a round is searched with.

    Attributes:
        index: Of the round.
        place: Its folder.
        processes: By output; empty in the first round.
        side: Of the trust region, of the box's.
        best: Output of the best case that keeps all constraints; None where none does.
        centre: Of the trust region, between 0 and 1.
    """

    index: int
    place: Path
    processes: Mapping[str, Learned]
    side: float
    best: float | None
    centre: Float[Tensor, " inputs"] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulatorWork:
    """A study of a simulator at work.

    Attributes:
        study: What is asked.
        ask: Who answers.
        tell: Told what is done, and which share of it.
    """

    study: SimulatorSpec
    ask: Command | Function
    tell: Tell

    def start(self) -> None:
        """The start is one of the cases of the first round."""

    def refit(self, rounds: Sequence[SimulatorRound], place: Path) -> Model | None:
        """Fit the processes to all answers; None where no case was answered at all."""
        index = len(rounds) + 1
        if not rounds:
            return Model(index=1, place=place, processes={}, side=WHOLE, best=None, centre=None)
        pairs = list(results.pairs(rounds))
        if all(answer.reason for _, answer in pairs):
            return None
        x = torch.stack([self._shares(case) for case, _ in pairs])
        failed = [bool(answer.reason) for _, answer in pairs]
        good = [answer.outputs for _, answer in pairs if not answer.reason]
        answers = {name: [one[name] for one in good] for name in self.study.outputs}
        ranks = [results.rank(self.study, answer) for _, answer in pairs]
        first = min(range(len(pairs)), key=ranks.__getitem__)
        return Model(
            index=index,
            place=place,
            processes=processes(x, answers, failed),
            side=self._side(rounds),
            best=self.study.sign * ranks[first][2] if ranks[first][:2] == (False, 0.0) else None,
            centre=x[first],
        )

    def _side(self, rounds: Sequence[SimulatorRound]) -> float:
        """Return the side of the trust region: twice after a round with a gain, else half."""
        side, best = WHOLE, None
        for one in rounds:
            own = min(results.rank(self.study, answer) for answer in one.verdicts)
            gained = best is None or own < best
            best = own if best is None else min(best, own)
            if one.index > 1:
                side = min(2.0 * side, WHOLE) if gained else max(0.5 * side, SMALLEST)
        return side

    def _shares(self, case: Mapping[str, float]) -> Float[Tensor, " inputs"]:
        inputs = self.study.inputs
        return torch.tensor([one.share(case[name]) for name, one in inputs.items()]).double()

    def propose(
        self, model: Model, rounds: Sequence[SimulatorRound], place: Path
    ) -> dict[str, Any]:
        """Return the inputs of the cases of a round."""
        study = self.study
        self.tell(f"round {model.index} of {study.rounds}", (model.index - 1) / study.rounds)
        if model.centre is None:
            shares = first_cases(study)
        else:
            region = Region.around(model.centre, 2.0 if model.side >= WHOLE else model.side)
            shares = proposed(study, model.processes, model.best, region, model.index)
        cases = [self._case(row) for row in shares.tolist()]
        given = {name: one.start for name, one in study.inputs.items() if one.start is not None}
        if model.centre is None and given:
            cases = [given, *cases[:-1]] if len(cases) > 1 else [given]
        return {"cases": cases}

    def _case(self, shares: Sequence[float]) -> dict[str, float]:
        inputs = self.study.inputs.items()
        return {name: one.value(s) for (name, one), s in zip(inputs, shares, strict=True)}

    def claim(self, model: Model, proposal: Any) -> Claims:
        """Return what the processes say of the cases."""
        cases = tuple(proposal["cases"])
        x = torch.stack([self._shares(case) for case in cases])
        known = [name for name in self.study.outputs if name in model.processes]
        intervals = {name: model.processes[name].interval(x).tolist() for name in known}
        return Claims(place=model.place, cases=cases, intervals=intervals)

    def verify(self, claims: Claims) -> dict[str, Any]:
        """Ask the simulator about every case that has no answer yet."""
        names = self.study.outputs
        rows = answered(self.ask, claims.cases, claims.place, names, self.study.workers)
        return {"answers": [to_mapping(one) for one in rows]}

    def read(self, verdicts: Any) -> tuple[Answer, ...]:
        """Return the answers from JSON."""
        return tuple(Answer(**row) for row in verdicts["answers"])

    def labels(self, rounds: Sequence[SimulatorRound]) -> Iterable[Mapping[str, Any]]:
        """Yield every case with its answer."""
        for case, answer in results.pairs(rounds):
            yield {"inputs": case, "outputs": answer.outputs, "reason": answer.reason}

    def ranks(self, found: SimulatorRound) -> list[results.Rank]:
        """Return what orders the cases of a round."""
        return [results.rank(self.study, answer) for answer in found.verdicts]

    def conclude(
        self, rounds: Sequence[SimulatorRound], order: Sequence[Place], folder: Path
    ) -> dict[str, Any]:
        """Write the best case, and return the content of ``result.json``."""
        self.tell("done", 1.0)
        content = results.result(self.study, rounds, order)
        write_record(folder / "best.json", plain(content["best"]))
        return content
