"""The question of ``label_efficiency`` for unsteady runs: one parameter of their equation."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch_geometric.data import Data

from formwright.datasets.errors import CorpusError, UnknownNameError, did_you_mean
from formwright.datasets.fields import FieldRuns, grid_values
from formwright.datasets.well_runs import open_runs
from formwright.datasets.well_write import read_header
from formwright.surrogate.encoders.field import FieldCNN
from formwright.surrogate.label_efficiency import Task
from formwright.surrogate.objectives.objective import Objective
from formwright.surrogate.objectives.vicreg import VICReg
from formwright.surrogate.pretexts import ViewMatch
from formwright.surrogate.pretrain import PretrainConfig
from formwright.surrogate.training import TrainConfig
from formwright.surrogate.views.field_symmetries import Parity
from formwright.surrogate.views.fields import TimeLag
from formwright.surrogate.views.keeps import Keeps
from formwright.surrogate.views.view import View

FRAMES: Final = 8
STEPS: Final = 400
STAGES: Final[Mapping[int, tuple[int, ...]]] = {1: (48, 80, 112), 2: (24, 40, 64)}
SHARES: Final = (0.7, 0.1)
BANDS: Final = 8
MOST_RAW: Final = 2048
_WIDE: Final = 5.0
_SMALL: Final = 1e-12


def field_task(
    folder: str | os.PathLike[str], label: str, objectives: Mapping[str, Objective] | None = None
) -> Task:
    """Ask the question of a parameter of the runs that ``formwright corpus waves`` wrote.

    Runs are drawn apart, so they are split by run: by the splits of the folder, or where it holds
    one only 70 : 10 : 20. A parameter that spans more than a factor of five is predicted as its
    logarithm.

    Args:
        folder: Of HDF5 files.
        label: A parameter, e.g. ``viscosity``.
        objectives: By name; none takes VICReg.

    Raises:
        UnknownNameError: The runs have no such label.
        CorpusError: No runs, or a label that is the same in all of them.
    """
    parts = _parts(Path(folder))
    known = parts["train"].labels
    if label not in known:
        raise UnknownNameError(
            f"the runs have no label {label!r}.{did_you_mean(label, known)} Known: "
            f"{', '.join(known)}."
        )
    values = known[label]
    if float(values.std()) <= 1e-9 * float(values.abs().max()):
        raise CorpusError(
            f"label {label!r} is {float(values[0]):.4g} in every run: there is nothing to predict. "
            "Draw it from a range: `formwright corpus waves --config`."
        )
    logarithm = bool(values.min() > 0) and float(values.max() / values.min()) > _WIDE
    dimensions = parts["train"].values.dim() - 3
    frames = min(FRAMES, max(1, parts["train"].values.shape[1] // 2))

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
        corpus=Path(folder).name,
        label=f"ln {label}" if logarithm else label,
        unlabeled=parts["train"],
        parts=parts,
        target=lambda batch: batch[label].log() if logarithm else batch[label],
        network=network,
        vectors=lambda built, batch: built(batch).per_case,
        raw=_raw,
        hand=_hand,
        recipes=_recipes(_kind(Path(folder)), label, frames, objectives),
    )


def _parts(folder: Path) -> dict[str, FieldRuns]:
    """Return the runs of each split, in memory."""
    files = {s: sorted(folder.glob(f"waves-{s}-*.hdf5")) for s in ("train", "validation", "test")}
    if all(files.values()):
        return {split: open_runs(paths).read() for split, paths in files.items()}
    runs = open_runs(sorted([*folder.glob("*.hdf5"), *folder.glob("*.h5")])).read()
    order = torch.randperm(len(runs), generator=torch.Generator().manual_seed(0))
    first = int(SHARES[0] * len(runs))
    second = first + int(SHARES[1] * len(runs))
    rows = {"train": order[:first], "validation": order[first:second], "test": order[second:]}
    return {split: runs.select(index) for split, index in rows.items()}


def _kind(folder: Path) -> str:
    """Return the kind of the equation of the runs.

    Raises:
        CorpusError: The files do not say which; views cannot promise anything.
    """
    path = min([*folder.glob("*.hdf5"), *folder.glob("*.h5")])
    recipe = read_header(path).get("recipe", {})
    try:
        return str(recipe["equation"]["kind"])
    except (KeyError, TypeError) as error:
        raise CorpusError(
            f"{str(path)!r} does not say which equation it solves, so no view can promise what it "
            "keeps. Build a Task in Python (docs/pretraining.md), with views that you vouch for."
        ) from error


def _recipes(
    kind: str, label: str, frames: int, objectives: Mapping[str, Objective] | None
) -> dict[str, PretrainConfig]:
    """Return every objective on the same run at two times, turned where the label allows."""
    views: tuple[View, ...] = (TimeLag(equation=kind, frames=frames),)
    turned = Parity(equation=kind)
    if turned.keeps.get(label) is Keeps.EXACT:
        views = (*views, turned)
    loop = TrainConfig(steps=STEPS, learning_rate=2e-3, warmup_steps=20, log_every_steps=50)
    return {
        f"{name}, time lag": PretrainConfig(
            labels=(label,),
            pretext=ViewMatch(objective=objective),
            views=views,
            batch_cases=128,
            train=loop,
        )
        for name, objective in (objectives or {"VICReg": VICReg()}).items()
    }


def _raw(batch: Data) -> Float[Tensor, "cases values"]:
    """Return the values of a run, thinned evenly to some thousand."""
    flat = grid_values(batch).flatten(1)
    every = max(1, flat.shape[1] // MOST_RAW)
    return flat[:, ::every]


def _hand(batch: Data) -> Float[Tensor, "cases features"]:
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
