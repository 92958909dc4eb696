"""Tracks of a study: which goes on, how far it is trusted, and when nothing is left to gain."""

import dataclasses

import numpy as np
import pytest

from formwright.datasets.config import from_mapping
from formwright.design.airfoils import handover
from formwright.design.airfoils import study as studies
from formwright.design.airfoils.handover import rank
from formwright.design.airfoils.specs import BESIDE
from formwright.design.airfoils.study import Study
from formwright.design.airfoils.tracks import MOST_SLACK, next_search, searches
from formwright.design.airfoils.verifiers import Chosen, SolverName
from formwright.design.airfoils.verify import Verdict, Verification
from formwright.design.loop import Round, run
from formwright.design.optimise.solve import optimise

POINTS = [{"cl": 0.4, "reynolds": 1e6}, {"cl": 0.7, "reynolds": 5e5}]
STUDY = {"name": "small", "surrogate": "one", "points": POINTS, "workers": 1}


@pytest.fixture
def tracks(prepared):
    setup = prepared(points=POINTS)
    return setup, dataclasses.replace(setup, surrogate="other")


def verdict(setup, claims, drag, missed=0):
    """A verdict on every point whose drag is so many times the claim; none at the first ones."""
    rows = []
    for i, (point, claimed) in enumerate(
        zip(setup.points.points, claims.prediction.mean["cd"].tolist(), strict=True)
    ):
        labels = {"cl": point.cl, "cd": drag * claimed, "cm": -0.05}
        labels |= {"xtr_top": 0.5, "xtr_bottom": 0.5}
        lost = i < missed
        rows.append(
            Verdict(
                converged=not lost,
                reason="stalled" if lost else "",
                alpha_deg=np.nan if lost else claims.alpha_deg[i],
                labels=dict.fromkeys(labels, np.nan) if lost else labels,
                dropped=0,
                fields={},
            )
        )
    return Verification(solver="made up", settings={}, verdicts=tuple(rows), sweeps=(), seconds=0.0)


@pytest.fixture
def going_on(tracks):
    """Return the rounds of a study whose designs are the start, with the verdicts given."""
    start = Round(
        index=0,
        model=None,
        proposal=None,
        claims=(tracks[0].start,),
        verdicts=(verdict(tracks[0], tracks[0].start, 1.0),),
    )

    def rounds(*batches):
        found = [start]
        for index, batch in enumerate(batches, start=1):
            models, claims, verdicts = [], [], []
            for track, (drag, missed) in batch.items():
                setup = tracks[track]
                solution = optimise(setup.problem, setup.study.method, setup.x0)
                models.append(next_search(tracks, [start], track))
                claims.append(dataclasses.replace(setup.start, solution=solution))
                verdicts.append(verdict(setup, claims[-1], drag, missed))
            found.append(
                Round(
                    index=index,
                    model=tuple(models),
                    proposal={"searches": [None] * len(models)},
                    claims=tuple(claims),
                    verdicts=tuple(verdicts),
                )
            )
        return found

    return rounds


def limit(searched, name="smoothness"):
    (row,) = [one for one in searched.problem.constraints if one.name == name]
    return float(np.max(row.upper))


def test_all_search_first_then_the_one_whose_design_is_the_best(tracks, going_on):
    first = searches(tracks, going_on())
    assert [one.name for one in first] == ["stand-in", "other"]
    assert [one.track for one in searches(tracks, going_on({0: (0.9, 0), 1: (0.8, 0)}))] == [1]
    assert [one.track for one in searches(tracks, going_on({0: (0.9, 0), 1: (0.8, 1)}))] == [0]


def test_one_that_breaks_a_constraint_but_is_better_goes_on_too(tracks, going_on, monkeypatch):
    ranks = {0.8: (False, 0, True, 0.8), 0.9: (False, 0, False, 0.9)}
    first = tracks[0].start.prediction.mean["cd"][0]

    def ranked(setup, one):
        return ranks[round(one.verdicts.verdicts[0].labels["cd"] / float(first), 1)]

    monkeypatch.setattr(handover, "rank", ranked)
    rounds = going_on({0: (0.8, 0), 1: (0.9, 0)})
    assert [one.track for one in searches(tracks, rounds)] == [0, 1]
    ranks[0.8] = (False, 0, True, 0.95)
    assert [one.track for one in searches(tracks, rounds)] == [1]


def test_a_study_ends_where_the_claim_is_kept_and_nothing_is_gained(tracks, going_on):
    first = {0: (0.90, 0), 1: (0.95, 0)}
    assert searches(tracks, going_on(first, {0: (0.8995, 0)})) is not None  # 5 deviations off
    kept = {0: (1.00, 0), 1: (1.01, 0)}
    assert searches(tracks, going_on(kept, {0: (0.999, 0)})) is None
    assert searches(tracks, going_on(kept, {0: (0.99, 0)})) is not None  # gained
    assert searches(tracks, going_on(kept, {0: (0.999, 1)})) is not None  # refuted


def test_the_trust_region_doubles_on_a_kept_claim_and_halves_on_a_refuted_one(tracks, going_on):
    setup = tracks[0]
    own = limit(next_search(tracks, going_on(), 0))
    start = float(np.max([c for c in setup.problem.constraints if c.name == "smoothness"][0].upper))
    assert own == start
    kept, lost, doubted = {0: (1.0, 0)}, {0: (1.0, 1)}, {0: (1.5, 0)}
    base = limit(next_search(tracks, going_on(lost, lost, lost, lost, lost, lost), 0))

    def slack(*batches):
        return (limit(next_search(tracks, going_on(*batches), 0)) - base) / (own - base)

    assert slack(kept) == pytest.approx(2.0, abs=0.05)
    assert slack(kept, kept, kept, kept) == pytest.approx(MOST_SLACK, abs=0.1)
    assert slack(lost) == pytest.approx(0.5, abs=0.02)
    assert slack(doubted) == pytest.approx(1.0) == slack(kept, lost)


def test_guards_of_trust_order_no_verdicts(tracks):
    """A design searched within a region that had grown is not called broken for it."""
    setup = tracks[0]
    tight = [
        dataclasses.replace(one, upper=1e-9) if one.name == "smoothness" else one
        for one in setup.problem.constraints
    ]
    problem = dataclasses.replace(setup.problem, constraints=tuple(tight))
    narrow = dataclasses.replace(setup, problem=problem)
    one = Round(
        index=0,
        model=None,
        proposal=None,
        claims=setup.start,
        verdicts=verdict(setup, setup.start, 1.0),
    )
    assert rank(narrow, one) == rank(setup, one) and not rank(narrow, one)[2]
    own = dataclasses.replace(narrow, own=tuple(tight))
    assert rank(own, one)[2]


def test_a_study_searches_with_each_surrogate_and_says_which_found_the_design(
    tmp_path, surrogate, make_solver, monkeypatch
):
    class Cambering(type(surrogate)):
        def forward(self, batch, *, fields=False):
            prediction = super().forward(batch, fields=fields)
            more = {"cd": prediction.mean["cd"] + 0.02 * prediction.mean["cm"] + 0.01}
            return dataclasses.replace(prediction, mean={**prediction.mean, **more})

    named = {"one": Cambering(), "right": surrogate}
    monkeypatch.setattr(studies, "load_surrogate", named.__getitem__)
    study = from_mapping(Study, STUDY | {"beside": ["right"], "solver": "panel"})
    chosen = Chosen(SolverName.PANEL, make_solver(drag=1.0), "a stand-in.")
    done = run(study, tmp_path, chosen=chosen)
    rows = done.result["rounds"]
    assert [(row["round"], row["surrogate"]) for row in rows[:2]] == [(0, "one"), (0, "right")]
    assert {row["surrogate"] for row in rows[2:]} <= {"right"} and len(rows) <= 5
    assert done.result["surrogate"]["name"] == "right"
    verified = [row["verified"] for row in rows]
    assert done.result["objective"]["best"]["verified"] == pytest.approx(min(verified), rel=0.002)
    assert "right" in done.folder.joinpath("report.html").read_text()
    lines = (tmp_path / "labels.jsonl").read_text().splitlines()
    assert len(lines) == 3 * len(POINTS)  # what was found twice is kept once


def test_the_default_has_company_and_others_search_alone():
    assert from_mapping(Study, {"points": POINTS}).searching_beside == BESIDE["airfoil-polar"]
    assert from_mapping(Study, STUDY).searching_beside == ()
    assert from_mapping(Study, {"points": POINTS, "beside": []}).searching_beside == ()


def test_names_joined_by_a_plus_are_an_ensemble():
    model = studies.load_surrogate("airfoil-polar+airfoil-polar-large")
    assert len(model.members) == 2 and all(p.dtype.itemsize == 8 for p in model.parameters())
