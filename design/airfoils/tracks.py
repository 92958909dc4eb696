"""What a surrogate learns from its verdicts: corrections, caution, and how far it may be trusted.

A study follows one track a surrogate. Each begins at the start with a trust region, the guards of
``guards``; those go on whose first design is the best. After a verdict the surrogate is
corrected at the operating points, and the region grows or shrinks by claimed against verified, as
in any trust-region method (Alexandrov et al. 1998).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.design.airfoils import handover
from formwright.design.airfoils.correction import Corrected, doubt, offsets_from
from formwright.design.airfoils.handover import AirfoilRound
from formwright.design.airfoils.stages import Claims, Offsets, Setup, quietly, tightened
from formwright.design.airfoils.verify import Verification
from formwright.design.loop import Round
from formwright.design.objectives import OBJECTIVES, OF_LIFT
from formwright.design.problem import Problem

CONFIRMED: Final = 2.0
"""Deviations that a claim may be off at every operating point for its trust region to grow."""
GROWTH: Final = 2.0
"""Factor of the guards' slack after a design was confirmed; its inverse after one was refuted."""
MOST_SLACK: Final = 4.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Searched:
    """What a track searches with in one round.

    Attributes:
        index: Of the round.
        track: Which track.
        name: Of its surrogate.
        offsets: The surrogate's correction at the operating points.
        problem: What is solved.
        x0: Where the search begins.
    """

    index: int
    track: int
    name: str
    offsets: Offsets
    problem: Problem
    x0: Float[Tensor, " parameters"]


Batch = Round[tuple[Searched, ...], tuple[Claims, ...], tuple[Verification, ...]]
"""A round of all tracks: one design each."""


def designs(
    tracks: Sequence[Setup], rounds: Sequence[Batch], track: int | None = None
) -> list[AirfoilRound]:
    """Return the designs of rounds one by one.

    Args:
        tracks: The study as each surrogate sees it.
        rounds: Some or all.
        track: Which; None for all, with the start as the first track sees it.
    """
    return [one for batch in rounds for one in _designs(tracks, batch, track)]


def _designs(tracks: Sequence[Setup], batch: Batch, track: int | None) -> list[AirfoilRound]:
    if batch.model is None:
        parts = [(None, None, tracks[track or 0].start, batch.verdicts[0])]
    else:
        searches = batch.proposal["searches"]
        every = zip(batch.model, searches, batch.claims, batch.verdicts, strict=True)
        parts = [one for one in every if track in (None, one[0].track)]
    return [
        Round(index=batch.index, model=model, proposal=proposal, claims=claims, verdicts=verdicts)
        for model, proposal, claims, verdicts in parts
    ]


def searches(tracks: Sequence[Setup], rounds: Sequence[Batch]) -> tuple[Searched, ...] | None:
    """Return what is searched with next, by the verdicts so far; None where that is not worth it.

    All tracks search in the first round; then those go on that none is ahead of, until their claim
    is kept and nothing is gained.
    """
    every = range(len(tracks))
    if len(rounds) > 1:
        known = [designs(tracks, rounds, track)[1:] for track in every]
        best = [min(handover.rank(tracks[0], one) for one in own) for own in known]
        leader = min(every, key=best.__getitem__)
        every = [
            k
            for k in every
            if (k == leader or best[k][-1] < best[leader][-1]) and not _settled(tracks[k], known[k])
        ]
    return tuple(next_search(tracks, rounds, k) for k in every) or None


def _settled(setup: Setup, known: Sequence[AirfoilRound]) -> bool:
    """Return whether the last claim of a track was kept, and its design gained nothing."""
    if len(known) < 2:
        return False
    *before, own = (handover.rank(setup, one) for one in known)
    best = min(before)
    better = own[:-1] < best[:-1]
    gained = own[:-1] == best[:-1] and own[-1] < best[-1] - handover.SAME * abs(best[-1])
    kept = not known[-1].verdicts.missed and _surprise(setup, known[-1]) < CONFIRMED
    return kept and not (better or gained)


def _surprise(setup: Setup, one: AirfoilRound) -> float:
    """Return how many deviations the surrogate was off at the worst point."""
    label = "cl" if setup.study.objective in OF_LIFT else "cd"
    return doubt(one.claims.prediction, one.verdicts.verdicts, label)


def next_search(tracks: Sequence[Setup], rounds: Sequence[Batch], track: int) -> Searched:
    """Return what a track searches with next, by the verdicts on its designs so far.

    The surrogate is corrected by the verdict on the last design, and the search begins there. Was
    that design refuted (a point without a verdict), the search begins at the start again, with
    half the slack of the guards and twice the caution for each time that it happened; the slack
    doubles each time that a design was confirmed, to ``MOST_SLACK``. A cautious search counts as
    many deviations as the surrogate was off so far at least, at the start, too.
    """
    setup, known = tracks[track], designs(tracks, rounds, track)
    last, surprises = known[-1], [_surprise(setup, one) for one in known]
    refuted = sum(one.verdicts.missed > 0 for one in known[1:])
    confirmed = sum(
        not one.verdicts.missed and off < CONFIRMED
        for one, off in zip(known[1:], surprises[1:], strict=True)
    )
    caution = setup.study.caution and max(setup.study.caution, *surprises)
    offsets = {} if last.claims.solution is None else corrections(setup, last)
    surrogate = setup.problem.surrogate
    problem = Problem(
        space=setup.space,
        surrogate=Corrected(surrogate, offsets) if offsets else surrogate,
        objective=OBJECTIVES[setup.study.objective](
            setup.points.weights, caution * GROWTH**refuted
        ),
        constraints=tightened(setup, min(GROWTH ** (confirmed - refuted), MOST_SLACK)),
    )
    solution = None if last.verdicts.missed else last.claims.solution
    x0 = setup.x0 if solution is None else solution.x
    return Searched(
        index=len(rounds),
        track=track,
        name=setup.surrogate,
        offsets=offsets,
        problem=problem,
        x0=x0,
    )


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
