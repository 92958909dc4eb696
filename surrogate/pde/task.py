"""The question of ``label_efficiency`` for unsteady runs: one parameter of their equation."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from formwright.datasets.cases import Case
from formwright.datasets.errors import CorpusError, UnknownNameError, ViewError, did_you_mean
from formwright.datasets.pde.given import promises_in
from formwright.datasets.pde.runs import FieldRuns, check_alike, grid_values, join_runs
from formwright.datasets.pde.well_runs import open_runs, run_files
from formwright.datasets.pde.well_write import read_header
from formwright.surrogate.keeps import Keeps
from formwright.surrogate.label_efficiency.protocol import Task
from formwright.surrogate.objectives.objective import Objective
from formwright.surrogate.objectives.vicreg import VICReg
from formwright.surrogate.pde.encoder import FieldCNN
from formwright.surrogate.pde.named import Solved, run_views
from formwright.surrogate.pde.promised import promised_views, usual_views
from formwright.surrogate.pretraining.choices import matched, views_named
from formwright.surrogate.pretraining.pretrain import PretrainConfig
from formwright.surrogate.training.loop import TrainConfig
from formwright.surrogate.view import View

FRAMES: Final = 8
STEPS: Final = 400
STAGES: Final[Mapping[int, tuple[int, ...]]] = {1: (48, 80, 112), 2: (24, 40, 64)}
SHARES: Final = (0.7, 0.1)
BANDS: Final = 8
MOST_RAW: Final = 2048
_WIDE: Final = 5.0
_SMALL: Final = 1e-12


def field_task(
    corpora: Sequence[str | os.PathLike[str]],
    label: str,
    unlabeled: str | os.PathLike[str] | None = None,
    objectives: Mapping[str, Objective] | None = None,
    views: Sequence[Sequence[str]] = (),
) -> Task:
    """Ask the question of a parameter of the runs that ``formwright corpus waves`` wrote.

    Runs are drawn apart, so they are split by run: by the splits of the folder, or where it holds
    one only 70 : 10 : 20. A parameter that spans more than a factor of five is predicted as its
    logarithm.

    Args:
        corpora: One folder of HDF5 files.
        label: A parameter, e.g. ``viscosity``.
        unlabeled: A folder of more runs of the same form; else those of the training split.
        objectives: By name; none takes VICReg.
        views: Names of views, one or more sets to compare; none takes the same run at two times,
            turned where the label allows it.

    Raises:
        UnknownNameError: The runs have no such label, or there is no such view.
        ViewError: A view is forbidden for the label.
        CorpusError: No runs, a label that is not finite or the same in all of them, runs whose
            steps in time or space differ, or an axis that is not periodic.
    """
    if len(corpora) != 1:
        raise CorpusError(f"give one folder of runs; got {len(corpora)}.")
    folder = Path(corpora[0])
    parts = parts_of(folder, label)
    logarithm = needs_logarithm(parts["train"], label)
    seen = parts["train"] if unlabeled is None else parts_of(Path(unlabeled))["train"]
    solved, known, usual = views_in(folder, parts["train"], label)
    dimensions, frames = solved.dimensions, solved.frames

    def network() -> nn.Module:
        built = FieldCNN(
            dimensions=dimensions,
            frames=frames,
            channels=len(parts["train"].names),
            stages=STAGES[dimensions],
            point_channels=0,
        )
        built.standardise(parts["train"].batch(torch.arange(min(64, len(parts["train"])))))
        return built

    return Task(
        corpus=folder.name,
        label=f"ln {label}" if logarithm else label,
        unlabeled=seen,
        parts=parts,
        target=lambda batch: batch[label].log() if logarithm else batch[label],
        network=network,
        vectors=lambda built, batch: built(batch).per_case,
        raw=_raw,
        hand=hand_features,
        recipes={
            name: replace(one, batch_cases=min(one.batch_cases, len(seen)))
            for name, one in _recipes(
                known, usual, label, objectives, views or (() if solved.equation else (usual,))
            ).items()
        },
    )


def parts_of(folder: Path, label: str | None = None) -> dict[str, FieldRuns]:
    """Return the runs of each split, in memory.

    Args:
        folder: Of HDF5 files.
        label: A parameter that the runs must have, not the same in all of them.

    Raises:
        CorpusError: There are no runs, or the label is not finite or does not vary.
        UnknownNameError: The runs have no such label.
    """
    parts = _parts(folder)
    known = parts["train"].labels
    if label is None:
        return parts
    if label not in known:
        raise UnknownNameError(
            f"the runs have no label {label!r}.{did_you_mean(label, known)} Known: "
            f"{', '.join(known)}."
        )
    values = known[label]
    if bad := [s for s, runs in parts.items() if not torch.isfinite(runs.labels[label]).all()]:
        raise CorpusError(
            f"label {label!r} is not finite in some runs (split {', '.join(bad)}): write their "
            "values into the files, or leave such runs out."
        )
    if float(values.std()) <= 1e-9 * float(values.abs().max()):
        raise CorpusError(
            f"label {label!r} is {float(values[0]):.4g} in every run: there is nothing to predict. "
            "Draw it from a range: `formwright corpus waves --config`."
        )
    return parts


def needs_logarithm(runs: FieldRuns, label: str) -> bool:
    """Return whether a label is positive and spans more than a factor of five."""
    values = runs.labels[label]
    return bool(values.min() > 0) and float(values.max() / values.min()) > _WIDE


def frames_of(runs: FieldRuns) -> int:
    """Return the frames of a window that suits some runs."""
    return min(FRAMES, max(1, runs.values.shape[1] // 2))


def _parts(folder: Path) -> dict[str, FieldRuns]:
    """Return the runs of each split."""
    files = {s: sorted(folder.glob(f"*-{s}-*.hdf5")) for s in ("train", "validation", "test")}
    if all(files.values()):
        parts = {split: open_runs(paths).read() for split, paths in files.items()}
        check_alike(join_runs(list(parts.values())))
        return parts
    runs = check_alike(open_runs(run_files(folder)).read())
    order = torch.randperm(len(runs), generator=torch.Generator().manual_seed(0))
    first = int(SHARES[0] * len(runs))
    second = first + int(SHARES[1] * len(runs))
    rows = {"train": order[:first], "validation": order[first:second], "test": order[second:]}
    return {split: runs.select(index) for split, index in rows.items()}


def solved_in(folder: Path, runs: FieldRuns) -> Solved:
    """Return what views have to know of the equation of the runs in a folder.

    Raises:
        CorpusError: The files do not say which it is; views cannot promise anything.
    """
    path = run_files(folder)[0]
    recipe = read_header(path).get("recipe", {})
    try:
        equation = recipe["equation"]
        forced = float(recipe["parameters"].get("forcing", (0.0, 0.0))[1]) > 0.0
        return Solved(
            equation=str(equation["kind"]),
            frames=frames_of(runs),
            dimensions=runs.values.dim() - 3,
            waves=int(equation.get("waves", 0)) if forced else 0,
        )
    except (KeyError, TypeError) as error:
        raise CorpusError(
            f"{str(path)!r} does not say which equation it solves, so no view can promise what it "
            "keeps. Build a Task in Python (docs/pretraining.md), with views that you vouch for."
        ) from error


def views_in(
    folder: Path, runs: FieldRuns, label: str
) -> tuple[Solved, Mapping[str, View], tuple[str, ...]]:
    """Return what is known of the equation of runs, their views, and the usual ones for a label.

    Raises:
        CorpusError: Neither the equation nor promises are known.
        ViewError: Nothing is promised of the label that makes a pair.
    """
    promises = promises_in(folder)
    if promises is None:
        solved = solved_in(folder, runs)
        return solved, run_views(solved), default_views(solved, label)
    frames = frames_of(runs)
    solved = Solved(equation="", frames=frames, dimensions=runs.values.dim() - 3)
    views = promised_views(solved, list(runs.labels), promises, runs.names)
    usual = usual_views(views, label, runs.values.shape[1], frames)
    if not usual:
        raise ViewError(
            f"nothing is promised of {label!r} that makes a pair of views: import the runs again "
            f"with --promise {label}=constant (it is one of the run) or {label}=shift (it is the "
            "same wherever the origin is), if that is so."
        )
    return solved, views, usual


def default_views(solved: Solved, label: str) -> tuple[str, ...]:
    """Return the same run at two times, turned where the label allows."""
    turned = run_views(solved)["parity"].keeps.get(label) is Keeps.EXACT
    return ("time-lag", "parity") if turned else ("time-lag",)


def _recipes(
    known: Mapping[str, View],
    usual: tuple[str, ...],
    label: str,
    objectives: Mapping[str, Objective] | None,
    views: Sequence[Sequence[str]],
) -> dict[str, PretrainConfig]:
    """Return every objective on every set of views."""
    loop = TrainConfig(steps=STEPS, learning_rate=2e-3, warmup_steps=20, log_every_steps=50)
    return {
        f"{name}, {' + '.join(names) if views else 'time lag'}": PretrainConfig(
            labels=(label,),
            pretext=matched(objective),
            views=views_named(names, known, (label,)),
            batch_cases=128,
            train=loop,
        )
        for name, objective in (objectives or {"VICReg": VICReg()}).items()
        for names in views or (usual,)
    }


def _raw(batch: Case) -> Float[Tensor, "cases values"]:
    """Return the values of a run, thinned evenly to some thousand."""
    flat = grid_values(batch).flatten(1)
    every = max(1, flat.shape[1] // MOST_RAW)
    return flat[:, ::every]


def hand_width(channels: int) -> int:
    """Return how many features ``hand_features`` gives."""
    return 3 * channels * (2 + BANDS)


def hand_features(batch: Case) -> Float[Tensor, "cases features"]:
    """Return logarithms of energy, its decay, its gradients and its spectrum, first and last."""
    values = grid_values(batch).double()
    ends = values[:, [0, -1]]
    axes = tuple(range(3, ends.dim()))
    energy = ends.square().mean(axes)
    steep = torch.stack([ends.diff(dim=axis).square().mean(axes) for axis in axes]).sum(0)
    power = torch.fft.rfftn(ends, dim=axes).abs().square()
    bands = torch.stack([_band(power, n) for n in range(1, BANDS + 1)], -1)
    features = torch.cat([energy, steep, bands.flatten(2)], 2).clamp_min(_SMALL).log()
    change = features[:, 1] - features[:, 0]
    return torch.cat([features.flatten(1), change], 1)


def _band(power: Tensor, number: int) -> Tensor:
    """Return the power at wavenumber ``number`` along the last axis, (cases, times, channels)."""
    return power[..., min(number, power.shape[-1] - 1)].reshape(*power.shape[:3], -1).sum(-1)
