"""Fronts that are known: two bowls, whose trade-offs lie between their middles."""

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import optuna
import pytest
import torch
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from formwright.datasets.errors import ConfigError
from formwright.design.constraint import Constraint
from formwright.design.optimise.front import Outside, pareto, undominated
from formwright.design.problem import Problem
from formwright.design.spaces.box import Box
from formwright.surrogate.model import Prediction, Surrogate


class Nothing(Surrogate):
    labels = ()
    training_range = {}

    def forward(self, batch, *, fields=False):
        return Prediction(mean={}, std={}, lower={}, upper={}, level=0.9, fields={})


def bowl(at):
    return lambda prediction, case: (case.x - at).square().sum(1)


BOWLS = {"left": bowl(0.0), "right": bowl(1.0)}


def problem(chosen=None, *constraints):
    low = (chosen or {}).get("low", -2.0)
    if low == "never":
        raise ConfigError("there is no such family")
    names = ("a", "b")
    return Problem(
        space=Box(
            lower=dict.fromkeys(names, low),
            upper=dict.fromkeys(names, 2.0),
            base=torch.zeros(2, dtype=torch.float64),
            places={"a": 0, "b": 1},
        ),
        surrogate=Nothing(),
        objective=BOWLS["left"],
        constraints=constraints,
    )


def told(front):
    return [(dict(p.choices), p.x.tolist(), dict(p.objectives)) for p in front.points]


@pytest.mark.parametrize("sampler", ["nsga2", "tpe", "random"])
def test_a_front_lies_between_the_middles(sampler):
    front = pareto(problem(), BOWLS, Outside(sampler=sampler, trials=8, population=4))
    assert front.trials == 8 and not front.refused and len(front.points) >= 4
    x = torch.stack([point.x for point in front.points])
    assert (x[:, 0] - x[:, 1]).abs().max() < 1e-2 and x.min() > -1e-2 and x.max() < 1.01
    values = np.array([[*point.objectives.values()] for point in front.points])
    assert undominated(values).all() and (np.diff(values[:, 0]) > 0).all()
    assert np.sqrt(values / 2).sum(1) == pytest.approx(1.0, abs=0.01)


def test_a_choice_is_made_outside_and_a_refused_one_is_told():
    method = Outside(sampler="tpe", trials=9)
    front = pareto(problem, BOWLS, method, choices={"low": [-2.0, 0.6, "never"]})
    free = [point for point in front.points if point.choices["low"] == -2.0]
    assert free and all((point.x >= point.choices["low"]).all() for point in front.points)
    reached = [sum((v / 2) ** 0.5 for v in point.objectives.values()) for point in free]
    assert reached == pytest.approx([1.0] * len(free), abs=0.01)
    assert set(front.refused) == {"there is no such family"} and front.trials == 9


def test_one_objective_leaves_the_best_choice():
    choices = {"low": [0.3, 0.6, -2.0]}
    front = pareto(problem, {"left": BOWLS["left"]}, Outside(trials=6), choices=choices)
    (point,) = front.points
    assert point.choices == {"low": -2.0} and point.objectives["left"] < 1e-4


def test_what_breaks_a_constraint_is_not_on_the_front():
    def total(prediction, case):
        return case.x.sum(1)

    never = Constraint(name="sum", function=total, lower=9.0)
    front = pareto(problem(None, never), BOWLS, Outside(trials=4))
    assert not front.points and front.infeasible == 4


def test_a_front_that_was_stopped_comes_to_the_same(tmp_path):
    whole = Outside(trials=9, population=3)
    undisturbed = pareto(problem, BOWLS, whole, choices={"low": [-2.0, 0.2]}, folder=tmp_path / "a")
    first = Outside(trials=4, population=3)
    pareto(problem, BOWLS, first, choices={"low": [-2.0, 0.2]}, folder=tmp_path / "b")
    kept = JournalStorage(JournalFileBackend(str(tmp_path / "b" / "trials.log")))
    optuna.load_study(study_name="front", storage=kept).ask()
    resumed = pareto(problem, BOWLS, whole, choices={"low": [-2.0, 0.2]}, folder=tmp_path / "b")
    assert resumed.trials == 9 and told(resumed) == told(undisturbed)


def test_another_front_in_the_folder_is_refused(tmp_path):
    pareto(problem(), BOWLS, Outside(trials=1), folder=tmp_path)
    with pytest.raises(ConfigError, match="holds another front"):
        pareto(problem(), {"left": BOWLS["left"], "other": bowl(2.0)}, folder=tmp_path)


def test_what_cannot_be_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="one objective or more"):
        pareto(problem(), {})
    with pytest.raises(ConfigError, match="a function of the choices"):
        pareto(problem(), BOWLS, choices={"low": [0.0]})
    with pytest.raises(ConfigError, match="not both"):
        pareto(problem(), BOWLS, folder=tmp_path, storage="sqlite:///x.db")
    with pytest.raises(ConfigError, match="trials=0"):
        Outside(trials=0)


def test_a_database_without_its_driver_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    with pytest.raises(ConfigError, match="pip install psycopg2-binary"):
        pareto(problem(), BOWLS, storage="postgresql+psycopg2://nobody@localhost/none")


def test_a_front_lives_in_postgresql():
    pytest.importorskip("psycopg2")
    found = shutil.which("pg_ctl")
    if found is None:
        pytest.skip("no PostgreSQL server is installed")
    with server(Path(found).resolve().parent) as url:
        pareto(problem(), BOWLS, Outside(trials=3, population=2), storage=url)
        resumed = pareto(problem(), BOWLS, Outside(trials=6, population=2), storage=url)
    assert resumed.trials == 6
    assert told(resumed) == told(pareto(problem(), BOWLS, Outside(trials=6, population=2)))


@contextmanager
def server(programs):
    """Run a PostgreSQL server on a socket of its own; as another user where this one is root."""
    own = Path(tempfile.mkdtemp(prefix="pg-"))
    who = {}
    if os.getuid() == 0:
        shutil.chown(own, "postgres")
        who = {"user": "postgres", "cwd": own}

    def call(name, *line):
        subprocess.run([programs / name, *line], check=True, stdout=subprocess.DEVNULL, **who)

    data = str(own / "data")
    call("initdb", "-D", data, "-U", "formwright", "--auth=trust", "-N")
    options = f"-c listen_addresses='' -k {own} -F"
    call("pg_ctl", "-D", data, "-w", "-l", str(own / "log"), "-o", options, "start")
    try:
        yield f"postgresql+psycopg2://formwright@/postgres?host={own}"
    finally:
        call("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(own)
