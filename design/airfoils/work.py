"""The verified loop for sections: every round corrects the surrogate, searches, and is verified."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from formwright.datasets.airfoils.sections import Section, validate, write_dat
from formwright.datasets.config import from_mapping, to_mapping
from formwright.datasets.files import write_record
from formwright.design.airfoils import handover
from formwright.design.airfoils.polar_files import polars
from formwright.design.airfoils.results import result
from formwright.design.airfoils.stages import Claims, Setup, claim
from formwright.design.airfoils.tracks import Batch, Searched, designs, searches
from formwright.design.airfoils.verify import Verification, from_json, verify
from formwright.design.loop import Place, Tell
from formwright.design.optimise.memory import Memory
from formwright.design.optimise.progress import Progress
from formwright.design.optimise.solve import draw_starts, search, solution
from formwright.design.records import plain, read_json


@dataclass(frozen=True, kw_only=True, slots=True)
class AirfoilWork:
    """A study of an airfoil at work.

    Attributes:
        tracks: The study as each of its surrogates sees it; every round has a design of each.
        tell: Told what is done.
    """

    tracks: tuple[Setup, ...]
    tell: Tell

    def start(self) -> tuple[Claims, ...]:
        """Return the claims on the start."""
        return (self.tracks[0].start,)

    def refit(self, rounds: Sequence[Batch], place: Path) -> tuple[Searched, ...] | None:
        """Return what is searched with next; None where nothing is left to gain."""
        return searches(self.tracks, rounds)

    def propose(
        self, model: Sequence[Searched], rounds: Sequence[Batch], place: Path
    ) -> dict[str, list[Progress]]:
        """Search on each track."""
        return {"searches": [self._search(one, place) for one in model]}

    def _search(self, model: Searched, place: Path) -> Progress:
        """Search; what is asked on the way is kept until the search has ended."""
        study, count = self.tracks[0].study, len(self.tracks)
        by, share = (f" by {model.name}", model.track / count) if count > 1 else ("", 0.0)
        what = f"round {model.index} of {study.rounds} at most{by}"
        self.tell(what, (model.index - 1 + share) / study.rounds)
        method, kept = study.method, place / f"search-{model.track}.json"
        answers = place / f"answers-{model.track}.npy"
        memory = Memory(answers)
        values = read_json(kept)
        if values is None:
            generator = torch.Generator().manual_seed(study.seed + model.index - 1)
            starts = draw_starts(model.problem, method, model.x0, generator)
            values = to_mapping(Progress(starts=starts))
        progress = from_mapping(Progress, values, where=str(kept))
        ended = search(model.problem, method, progress, partial(_write, kept), memory)
        _write(kept, ended)
        answers.unlink()
        return ended

    def claim(self, model: Sequence[Searched], proposal: Any) -> tuple[Claims, ...]:
        """Return the claims on the best design of each search."""
        return tuple(self._claim(*one) for one in zip(model, proposal["searches"], strict=True))

    def _claim(self, model: Searched, proposal: Any) -> Claims:
        result = solution(model.problem, from_mapping(Progress, proposal, where="proposals.json"))
        setup = self.tracks[model.track]
        return claim(setup.problem.surrogate, setup.points, result.case, model.offsets, result)

    def verify(self, claims: Sequence[Claims]) -> dict[str, list[Verification]]:
        """Ask the solver about sections at their operating points."""
        setup = self.tracks[0]
        verdicts = [
            verify(
                one.pos,
                setup.points,
                setup.chosen.solver,
                one.alpha_deg,
                sweep=setup.chosen.fitted(setup.study.sweep),
                workers=setup.study.workers,
            )
            for one in claims
        ]
        return {"designs": verdicts}

    def read(self, verdicts: Any) -> tuple[Verification, ...]:
        """Return verifications from JSON."""
        return tuple(from_json(one) for one in verdicts["designs"])

    def labels(self, rounds: Sequence[Batch]) -> Iterable[Mapping[str, Any]]:
        """Yield every sweep that the solver was asked for."""
        for one in designs(self.tracks, rounds):
            sweeps = one.verdicts.sweeps
            for point, sweep in zip(self.tracks[0].points.points, sweeps, strict=True):
                yield {
                    "solver": one.verdicts.solver,
                    "settings": dict(one.verdicts.settings),
                    "pos": one.claims.pos.tolist(),
                    "reynolds": point.reynolds,
                    "ncrit": point.ncrit,
                    "mach": point.mach,
                    "alpha_deg": sweep.alpha_deg,
                    "labels": dict(sweep.labels),
                    "used": sweep.used,
                    "reason": sweep.reasons,
                }

    def ranks(self, found: Batch) -> list[handover.Rank]:
        """Return what orders the designs of a round."""
        return [handover.rank(self.tracks[0], one) for one in designs(self.tracks, [found])]

    def conclude(
        self, rounds: Sequence[Batch], order: Sequence[Place], folder: Path
    ) -> dict[str, Any]:
        """Write start, design and polars, and return the content of ``result.json``."""
        self.tell("done", 1.0)
        ordered = [designs(self.tracks, [batch])[k] for batch, k in order]
        ranked = handover.latest(self.tracks[0], ordered)
        best = ranked[0]
        track = best.model.track if isinstance(best.model, Searched) else 0
        setup, every = self.tracks[track], designs(self.tracks, rounds)
        start = designs(self.tracks, rounds, track)[0]
        for name, one in (("start", start), ("best", best)):
            called, pos = handover.name(setup, one), one.claims.pos.detach()
            validate(pos, called)
            section = Section(name=called, pos=pos, family="study", source=setup.study.name)
            write_dat(folder / f"{name}.dat", section)
        write_record(folder / "polars.json", plain(polars(setup, best, start)))
        return result(setup, [start, *every[1:]], [one if one.index else start for one in ranked])


def _write(path: Path, progress: Progress) -> None:
    """Write the state of a search, compactly: a batched method has one after every step."""
    write_record(path, to_mapping(progress), indent=None)
