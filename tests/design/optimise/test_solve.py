"""Every method on every problem whose solution is known, and the same through a surrogate."""

import dataclasses
import math

import pytest
import torch

from formwright.datasets.cases import sections_batch
from formwright.datasets.errors import ConfigError
from formwright.design.airfoils import constraints as c
from formwright.design.airfoils.spaces.cst import CST
from formwright.design.constraint import Constraint
from formwright.design.objectives import weighted_drag
from formwright.design.optimise.memory import Memory
from formwright.design.optimise.methods import SLSQP, SQP, Adam, TrustConstr
from formwright.design.optimise.solve import draw_starts, optimise
from formwright.design.problem import Problem
from formwright.design.spaces.space import DesignSpace
from formwright.surrogate.model import Prediction, Surrogate

METHODS = {
    "sqp": SQP(tolerance=1e-9),
    "slsqp": SLSQP(tolerance=1e-10),
    "trust-constr": TrustConstr(tolerance=1e-8),
    "adam": Adam(starts=4, steps=200, inner=20, learning_rate=0.02, polish=None),
    "adam polished": Adam(starts=4, steps=60, inner=20, learning_rate=0.02, polish=SQP()),
}


class Box(DesignSpace):
    """Plain vectors as the incidences of one fixed contour."""

    def __init__(self, low, high):
        self.limits = torch.tensor([low, high], dtype=torch.float64)

    @property
    def names(self):
        return tuple(f"x{i}" for i in range(self.limits.shape[1]))

    @property
    def bounds(self):
        return self.limits

    def decode(self, x):
        pos = torch.zeros(len(x), 3, 2, dtype=torch.float64)
        return sections_batch(pos, {"alpha_deg": x, "reynolds": torch.ones_like(x)})

    def encode(self, case):
        return case.alpha_deg.reshape(len(case.ptr) - 1, -1)

    def project(self, x):
        return x.clamp(self.limits[0], self.limits[1])


class Nothing(Surrogate):
    labels = ()
    training_range = {}

    def forward(self, batch, *, fields=False):
        return Prediction(mean={}, std={}, lower={}, upper={}, level=0.9, fields={})


def vector(case):
    return case.alpha_deg.reshape(len(case.ptr) - 1, -1)


def box_problem(objective, low, high, *constraints):
    return Problem(
        space=Box(low, high),
        surrogate=Nothing(),
        objective=lambda p, case: objective(vector(case)),
        constraints=tuple(
            Constraint(name=f"c{i}", function=lambda p, case, f=f: f(vector(case)), **bounds)
            for i, (f, bounds) in enumerate(constraints)
        ),
    )


def bowl(x):
    return (x - 1.0).square().sum(1) + 1.0


PROBLEMS = {
    "bowl": (box_problem(bowl, [-3.0, -3.0], [3.0, 3.0]), [1.0, 1.0]),
    "at a bound": (box_problem(bowl, [-3.0, -3.0], [0.5, 3.0]), [0.5, 1.0]),
    "equation": (
        box_problem(
            bowl, [-3.0, -3.0], [3.0, 3.0], (lambda x: x.sum(1), {"lower": 1.0, "upper": 1.0})
        ),
        [0.5, 0.5],
    ),
    "disc": (
        box_problem(
            lambda x: 2.0 + x.sum(1),
            [-3.0, -3.0],
            [3.0, 3.0],
            (lambda x: x.square().sum(1), {"upper": 2.0}),
        ),
        [-1.0, -1.0],
    ),
    "corridor": (
        box_problem(
            lambda x: x[:, 0] + 10.0,
            [-3.0, -3.0],
            [3.0, 3.0],
            (lambda x: x, {"lower": (-1.0, 0.5), "upper": 2.0}),
        ),
        [-1.0, None],
    ),
    "idle constraint": (
        box_problem(bowl, [-3.0, -3.0], [3.0, 3.0], (lambda x: x[:, 0], {"lower": -2.0})),
        [1.0, 1.0],
    ),
}


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("method", METHODS)
def test_known_optima_are_found(method, problem):
    task, expected = PROBLEMS[problem]
    solution = optimise(task, METHODS[method], torch.tensor([0.1, -0.3], dtype=torch.float64))
    assert solution.feasible, solution.message
    for value, known in zip(solution.x.tolist(), expected, strict=True):
        assert known is None or value == pytest.approx(
            known, abs=0.02 if "adam" in method else 2e-3
        )


@pytest.fixture
def airfoil(points, surrogate):
    space = CST(points=points)
    return Problem(
        space=space,
        surrogate=surrogate,
        objective=weighted_drag(points.weights),
        constraints=(
            c.lift_targets(points),
            c.thickness(0.33, lower=0.11),
            c.label_between("cm", lower=-0.08),
            c.positive_thickness(),
            c.alpha_increasing(),
        ),
    )


@pytest.mark.parametrize("method", [SQP(), SLSQP(), Adam(starts=6, steps=80, inner=20)])
def test_an_airfoil_meets_its_constraints_with_less_drag(airfoil, method, surrogate):
    low, high = airfoil.space.bounds
    x0 = airfoil.space.project(0.5 * (low + high)[None])[0]
    solution = optimise(airfoil, method, x0)
    assert solution.success, solution.message
    assert solution.constraints["cl_target"].tolist() == pytest.approx([0.4, 0.6, 0.8], abs=1e-3)
    assert float(solution.constraints["thickness_0.33"]) >= 0.11 - 1e-5
    assert solution.objective < 0.0185
    torch.testing.assert_close(surrogate(solution.case)["cd"], solution.prediction["cd"])


def test_history_tells_every_iteration_of_every_start(airfoil):
    solution = optimise(airfoil, SLSQP(starts=3, max_iterations=5))
    assert {line.start for line in solution.history} == {0, 1, 2}
    for start in range(3):
        numbers = [line.iteration for line in solution.history if line.start == start]
        assert numbers == list(range(len(numbers)))
    assert len(solution.attempts) == 3
    feasible = [a.objective for a in solution.attempts if a.violation <= 1e-3]
    assert not feasible or solution.objective == pytest.approx(min(feasible))


def test_more_starts_are_drawn_within_what_can_be_built(airfoil):
    starts = torch.tensor(draw_starts(airfoil, SLSQP(starts=5, spread=0.5), None, None))
    low, high = airfoil.space.bounds
    assert (starts >= low).all() and (starts <= high).all()
    again = torch.tensor(draw_starts(airfoil, SLSQP(starts=5, spread=0.5), None, None))
    assert torch.equal(starts, again)
    assert len({tuple(row) for row in starts.tolist()}) == 5


class Interrupted(RuntimeError):
    pass


@pytest.mark.parametrize(
    "method",
    [
        SQP(starts=2),
        SLSQP(starts=2),
        TrustConstr(max_iterations=8),
        Adam(starts=3, steps=9, inner=3),
    ],
)
def test_a_search_that_was_stopped_anywhere_takes_the_same_steps(airfoil, method, tmp_path):
    class Counting(type(airfoil.surrogate)):
        calls, stop = 0, math.inf

        def forward(self, batch, *, fields=False):
            self.calls += 1
            if self.calls == self.stop:
                raise Interrupted
            return super().forward(batch, fields=fields)

    whole, before = optimise(airfoil, method), Counting()
    optimise(dataclasses.replace(airfoil, surrogate=before), method)
    for stop in (3, before.calls // 2, before.calls - 2):
        kept, path = [], tmp_path / f"{stop}.npy"
        stopped, again = Counting(), Counting()
        stopped.stop = stop
        problem = dataclasses.replace(airfoil, surrogate=stopped)
        with pytest.raises(Interrupted):
            optimise(problem, method, callback=kept.append, memory=Memory(path))
        with path.open("ab") as handle:
            handle.write(b"\x93NUMPY cut off")
        problem = dataclasses.replace(airfoil, surrogate=again)
        progress = kept[-1] if kept else None
        rest = optimise(problem, method, progress=progress, memory=Memory(path))
        assert torch.equal(rest.x, whole.x) and rest.objective == whole.objective
        assert rest.history == whole.history and rest.evaluations == whole.evaluations
        assert again.calls < before.calls or stop == 3


@pytest.mark.parametrize(
    "method", [SQP(), SLSQP(), TrustConstr(), Adam(starts=2, steps=5, polish=None)]
)
def test_a_surrogate_that_returns_no_number_ends_the_start_not_the_program(method):
    problem = box_problem(lambda x: x.sum(1) * math.nan, [-1.0, -1.0], [1.0, 1.0])
    solution = optimise(problem, method)
    assert not solution.success


def test_a_start_of_another_space_is_refused(airfoil):
    with pytest.raises(ConfigError, match="x0 should hold 20 finite numbers"):
        optimise(airfoil, SLSQP(), torch.zeros(3, dtype=torch.float64))


@pytest.mark.parametrize("method", [SQP(), SLSQP()])
def test_an_infeasible_problem_says_so(method):
    problem = box_problem(bowl, [-1.0, -1.0], [1.0, 1.0], (lambda x: x.sum(1), {"lower": 5.0}))
    solution = optimise(problem, method)
    assert (
        not solution.feasible
        and not solution.success
        and solution.violation == pytest.approx(3.0, abs=0.1)
    )
