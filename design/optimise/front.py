"""Fronts of several objectives: trade-offs and choices by Optuna outside, gradients inside.

Optuna's sampler draws the choices (elements, families, how many weights) and a share of each
objective; a search by gradient minimises the largest of the shares times the objectives, from their
least to their worst at the anchors. What no other design betters in everything is the front.

Every trial is kept by Optuna, and a run that was stopped goes on to the front of one that was not.
"""

from __future__ import annotations

import dataclasses
import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.cases import Case
from formwright.datasets.errors import ConfigError, FormwrightError
from formwright.datasets.locks import writing
from formwright.design.objectives import Objective
from formwright.design.optimise.methods import SQP, Method
from formwright.design.optimise.scipy_methods import FEASIBLE
from formwright.design.optimise.solve import optimise
from formwright.design.problem import Problem, judge
from formwright.surrogate.model import Prediction

if TYPE_CHECKING:
    import optuna

Choice = str | int | float | bool
Build = Callable[[Mapping[str, Choice]], Problem]
TRIALS: Final = "trials.log"
STUDY: Final = "front"
_SMOOTH: Final = 0.02
_NEVER: Final = 1e9
"""Violation of what came to nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outside:
    """What is drawn outside of the gradients, and how.

    Attributes:
        sampler: ``"nsga2"`` (Deb et al. 2002), ``"tpe"`` (Bergstra et al. 2011) or ``"random"``.
        trials: Searches by gradient in all, those kept from before included.
        population: Of ``"nsga2"``.
        inside: How each search is made.
        seed: Of the sampler.

    Example:
        >>> import formwright
        >>> formwright.Outside(sampler="tpe", trials=12).inside.kind
        'sqp'
    """

    sampler: Literal["nsga2", "tpe", "random"] = "nsga2"
    trials: int = 40
    population: int = 10
    inside: Method = field(default_factory=SQP)
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what searches nothing."""
        if self.trials < 1 or self.population < 2:
            raise ConfigError(
                f"Outside(trials={self.trials}, population={self.population}) should have 1 trial "
                "or more, and a population of 2 or more."
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class FrontPoint:
    """A design that no other betters in everything.

    Attributes:
        choices: What was drawn.
        x: Parameters in the space of these choices, (parameters,).
        case: The design, a batch of one.
        prediction: What the surrogate says of it.
        objectives: By name, as they are made small.
    """

    choices: Mapping[str, Choice]
    x: Float[Tensor, " parameters"]
    case: Case
    prediction: Prediction
    objectives: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Front:
    """The outcome of ``pareto``.

    Attributes:
        points: The front, by the first objective.
        trials: Searches that were made.
        infeasible: Of them, those that met no constraints.
        refused: Why searches came to nothing, one sentence each.
        seconds: Wall time of this run.

    Example:
        >>> import formwright
        >>> formwright.Front.__slots__[:3]
        ('points', 'trials', 'infeasible')
    """

    points: tuple[FrontPoint, ...]
    trials: int
    infeasible: int
    refused: tuple[str, ...]
    seconds: float


def pareto(
    problem: Problem | Build,
    objectives: Mapping[str, Objective],
    method: Outside | None = None,
    *,
    choices: Mapping[str, Sequence[Choice]] | None = None,
    folder: str | os.PathLike[str] | None = None,
    storage: str | None = None,
) -> Front:
    """Return the designs among which one objective is bettered only at the cost of another.

    Args:
        problem: What is designed, or a function of the choices that returns it. Its own objective
            is not looked at.
        objectives: By name, each to be made small.
        method: ``Outside()`` where not given.
        choices: What may be chosen, by name; ``problem`` is then a function of them.
        folder: Where trials are kept (``trials.log``, which ``optuna-dashboard`` opens).
        storage: A database instead, as Optuna takes it: ``"postgresql+psycopg2://..."``.

    Raises:
        ConfigError: No objective, choices without a function, another front in the folder, or no
            driver of the database.
        FolderInUseError: Another process writes the folder.

    Example:
        >>> import formwright
        >>> points = formwright.OperatingPoints.at_lift([0.6], reynolds=1e6)
        >>> objectives = formwright.objectives
        >>> front = formwright.pareto(
        ...     formwright.Problem(
        ...         space=formwright.CST(points=points),
        ...         surrogate=formwright.load("airfoil-polar"),
        ...         objective=objectives.smallest("cd"),
        ...         constraints=(formwright.constraints.lift_targets(points),),
        ...     ),
        ...     {"drag": objectives.smallest("cd"), "moment": objectives.largest("cm")},
        ...     formwright.Outside(trials=3, inside=formwright.SQP(max_iterations=5)),
        ... )
        >>> front.trials
        3
    """
    began, method = time.perf_counter(), method or Outside()
    task = _Task(problem, dict(objectives), method, dict(choices or {}))
    if folder is not None and storage is not None:
        raise ConfigError("pareto() takes folder= or storage=, not both.")
    with _alone(folder):
        study = _opened(task, folder, storage)
        if folder is not None:
            _forget_interrupted(study)
        while len(_ended(study)) < method.trials:
            study.sampler = _sampler(method, len(_ended(study)))
            task.try_one(study)
        return _front(task, study, time.perf_counter() - began)


class _Task:
    """What is asked; problems and anchors of choices are worked out once."""

    def __init__(
        self,
        problem: Problem | Build,
        objectives: dict[str, Objective],
        method: Outside,
        choices: dict[str, Sequence[Choice]],
    ) -> None:
        if not objectives:
            raise ConfigError("pareto() needs one objective or more; got none.")
        if choices and isinstance(problem, Problem):
            raise ConfigError(
                "pareto() was given choices and one Problem: give a function of the choices that "
                "returns the problem, e.g. lambda chosen: make_problem(chosen['n'])."
            )
        self.objectives, self.method, self.choices = objectives, method, choices
        self._build = problem
        self._known: dict[tuple[Choice, ...], tuple[Problem, np.ndarray]] = {}

    @property
    def request(self) -> dict[str, Any]:
        """What must be the same where a front is gone on with."""
        method = dataclasses.asdict(self.method)
        del method["trials"]
        choices = {name: list(values) for name, values in self.choices.items()}
        return {"objectives": [*self.objectives], "choices": choices, "method": method}

    def problem(self, chosen: Mapping[str, Choice]) -> tuple[Problem, np.ndarray]:
        """Return the problem of some choices, and least and worst of its objectives at anchors."""
        key = tuple(chosen.values())
        if key not in self._known:
            base = self._build if isinstance(self._build, Problem) else self._build(chosen)
            anchors = [self._values(base, one) for one in self.objectives.values()]
            ends = np.stack([np.min(anchors, axis=0), np.max(anchors, axis=0)])
            self._known[key] = base, ends
        return self._known[key]

    def try_one(self, study: optuna.Study) -> None:
        """Draw, search by gradient, and record what came of it."""
        from optuna.trial import TrialState

        trial = study.ask()
        chosen: dict[str, Any] = {
            name: trial.suggest_categorical(name, list(some)) for name, some in self.choices.items()
        }
        many = len(self.objectives) > 1
        raw = [
            trial.suggest_float(f"share of {name}", 0.0, 1.0) for name in self.objectives if many
        ]
        try:
            base, ends = self.problem(chosen)
            goal = self._scalar(raw, ends) if many else next(iter(self.objectives.values()))
            found = optimise(dataclasses.replace(base, objective=goal), self.method.inside)
            values = self.values_of(base, found.case, found.prediction)
        except FormwrightError as error:
            return self._failed(study, trial, str(error))
        if not np.isfinite([*values, found.violation]).all():
            return self._failed(study, trial, "an objective or a constraint is not finite")
        trial.set_user_attr("x", found.x.tolist())
        trial.set_user_attr("violation", found.violation)
        study.tell(trial, list(values), state=TrialState.COMPLETE)

    def values_of(self, base: Problem, case: Case, prediction: Prediction) -> tuple[float, ...]:
        """Return all objectives of one design."""
        with torch.no_grad():
            return tuple(float(one(prediction, case)[0]) for one in self.objectives.values())

    def _values(self, base: Problem, objective: Objective) -> tuple[float, ...]:
        found = optimise(dataclasses.replace(base, objective=objective), self.method.inside)
        return self.values_of(base, found.case, found.prediction)

    def _scalar(self, raw: Sequence[float], ends: np.ndarray) -> Objective:
        """Return the largest share of what the objectives are above their least, smoothly."""
        shares = np.maximum(raw, 1e-3) / max(sum(np.maximum(raw, 1e-3)), 1e-3)
        spans = np.maximum(ends[1] - ends[0], 1e-9 * np.maximum(np.abs(ends[0]), 1e-9))

        def objective(prediction: Prediction, case: Case) -> Float[Tensor, " designs"]:
            values = torch.stack(
                [one(prediction, case).double() for one in self.objectives.values()], 1
            )
            above = (values - values.new_tensor(ends[0])) / values.new_tensor(spans)
            parts = values.new_tensor(shares) * above
            return _SMOOTH * torch.logsumexp(parts / _SMOOTH, 1) + 0.01 * parts.sum(1)

        return objective

    @staticmethod
    def _failed(study: optuna.Study, trial: optuna.Trial, why: str) -> None:
        from optuna.trial import TrialState

        trial.set_user_attr("refused", why)
        study.tell(trial, state=TrialState.FAIL)


def _alone(folder: str | os.PathLike[str] | None) -> AbstractContextManager[None]:
    """Return what keeps other processes from a folder."""
    if folder is None:
        return nullcontext()
    Path(folder).mkdir(parents=True, exist_ok=True)
    return writing(folder)


def _opened(
    task: _Task, folder: str | os.PathLike[str] | None, storage: str | None
) -> optuna.Study:
    """Return Optuna's study, the one that is there or a new one."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
    from optuna.study import StudyDirection

    kept: Any = storage
    if folder is not None:
        kept = JournalStorage(JournalFileBackend(str(Path(folder) / TRIALS)))
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.create_study(
            study_name=STUDY,
            storage=kept,
            directions=[StudyDirection.MINIMIZE] * len(task.objectives),
            load_if_exists=kept is not None,
        )
    except ImportError as error:
        raise ConfigError(
            f"storage = {storage!r} needs a driver that is not installed: for PostgreSQL "
            "pip install psycopg2-binary and begin with postgresql+psycopg2://."
        ) from error
    finally:
        optuna.logging.set_verbosity(before)
    known = study.user_attrs.get("request")
    if known is None:
        study.set_user_attr("request", task.request)
    elif known != task.request:
        raise ConfigError(
            f"{str(folder or storage)!r} holds another front: {known}, not {task.request}. Take "
            "another folder, or delete that one."
        )
    return study


def _forget_interrupted(study: optuna.Study) -> None:
    """Mark the trial that a killed process left running as one that never was."""
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)


def _ended(study: optuna.Study) -> list[Any]:
    """Return the trials that came to an end, refused ones among them."""
    from optuna.trial import TrialState

    over = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.FAIL))
    return [t for t in over if t.state is TrialState.COMPLETE or "refused" in t.user_attrs]


def _sampler(method: Outside, ended: int) -> Any:
    """Return a sampler that draws the same after as many trials, whoever ran them."""
    import optuna

    seed = 10_000 * method.seed + ended
    if method.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    broken: Any = {"constraints_func": _violation}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if method.sampler == "tpe":
            return optuna.samplers.TPESampler(seed=seed, **broken)
        size = method.population
        return optuna.samplers.NSGAIISampler(population_size=size, seed=seed, **broken)


def _violation(trial: Any) -> tuple[float]:
    return (float(trial.user_attrs.get("violation", _NEVER)) - FEASIBLE,)


def _front(task: _Task, study: optuna.Study, seconds: float) -> Front:
    """Return what no other design betters, evaluated once more."""
    ended = _ended(study)
    refused = tuple(t.user_attrs["refused"] for t in ended if "refused" in t.user_attrs)
    done = [t for t in ended if t.values is not None]
    fit = [t for t in done if t.user_attrs["violation"] <= FEASIBLE]
    values = np.array([t.values for t in fit]).reshape(len(fit), len(task.objectives))
    best = [fit[i] for i in np.flatnonzero(undominated(values))]
    points = [_point(task, trial) for trial in sorted(best, key=lambda t: t.values)]
    return Front(
        points=tuple(points),
        trials=len(ended),
        infeasible=len(done) - len(fit),
        refused=refused,
        seconds=seconds,
    )


def _point(task: _Task, trial: Any) -> FrontPoint:
    chosen = {name: trial.params[name] for name in task.choices}
    base, _ = task.problem(chosen)
    x = torch.tensor(trial.user_attrs["x"], dtype=torch.float64)
    with torch.no_grad():
        case = base.space.decode(x[None])
        prediction = base.surrogate(case)
        seen = judge(base, case, prediction)
    values = dict(zip(task.objectives, task.values_of(base, seen.case, prediction), strict=True))
    return FrontPoint(choices=chosen, x=x, case=case, prediction=prediction, objectives=values)


def undominated(values: Float[np.ndarray, "designs objectives"]) -> np.ndarray:
    """Return which designs no other is as good as in everything and better in something.

    Of equal designs the first counts.
    """
    kept = np.ones(len(values), dtype=bool)
    for i, one in enumerate(values):
        no_worse, better = (values <= one).all(1), (values < one).any(1)
        same = no_worse & ~better
        kept[i] = not (no_worse & better).any() and not same[:i].any()
    return kept
