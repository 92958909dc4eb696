"""The kind ``table``: outputs of a table from its inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.cases import Case, Quantity
from formwright.datasets.errors import ConditionError, ConfigError, UnknownNameError, did_you_mean
from formwright.datasets.own.corpus import UNLABELED, open_own
from formwright.datasets.own.table import Column, OwnTable, read_table_corpus
from formwright.surrogate.floors import floors
from formwright.surrogate.kinds import Kind, Start
from formwright.surrogate.label_efficiency.protocol import Task
from formwright.surrogate.objectives.objective import Objective
from formwright.surrogate.objectives.vicreg import VICReg
from formwright.surrogate.pretraining.choices import matched, views_named
from formwright.surrogate.pretraining.pretrain import PretrainConfig
from formwright.surrogate.regression import SPLITS, Regression, RegressionTraining, learn, score
from formwright.surrogate.table import Table
from formwright.surrogate.tables.cases import TableCases, cases_of, features, width_of
from formwright.surrogate.tables.encoder import TableEncoder
from formwright.surrogate.tables.views import Blur, Corrupt
from formwright.surrogate.training.loop import TrainConfig
from formwright.surrogate.view import View

VIEWS: Final = ("corrupt",)
_WIDE: Final = 20.0


@dataclass(frozen=True, kw_only=True, slots=True)
class TableConfig:
    """Architecture of a surrogate of a table.

    Attributes:
        inputs: Columns that are given.
        outputs: Columns that are predicted; none for a pretrained network.
        logarithms: Outputs that are regressed as their logarithm.
        hidden: Width of the layers.
        layers: How many.
    """

    inputs: tuple[Column, ...] = (Column("x"),)
    outputs: tuple[Quantity, ...] = ()
    logarithms: tuple[str, ...] = ()
    hidden: int = 128
    layers: int = 3

    def network(self) -> TableEncoder:
        """Return the encoder, untrained."""
        return TableEncoder(width_of(self.inputs), self.hidden, self.layers)


class TableSurrogate(Regression):
    """Outputs of a table from its inputs, differentiable in them: ``batch.x``."""

    def predict(self, cases: Any, *, fields: bool = False) -> Table:
        """Predict rows.

        Args:
            cases: A mapping from the names of the inputs to columns (a DataFrame is one), or what
                the kind's reader makes.
            fields: There are none.

        Raises:
            ConditionError: An input is missing, is no finite number, or a word that is no choice.
        """
        if not isinstance(cases, TableCases):
            cases = TableCases(x=self.rows(cases), labels={}, groups=())
        return super().predict(cases, fields=fields)

    def rows(self, values: Any) -> Float[Tensor, "rows features"]:
        """Return columns as the encoder reads them.

        Raises:
            ConditionError: See ``predict``.
        """
        given, inputs = {}, self.config.inputs
        for column in inputs:
            if column.name not in values:
                raise ConditionError(
                    f"input {column.name!r} is missing. This surrogate reads "
                    f"{', '.join(one.name for one in inputs)}."
                )
            result = np.atleast_1d(np.asarray(values[column.name]))
            given[column.name] = result if column.choices else _finite(column.name, result)
        rows = max(len(result) for result in given.values())
        return features(inputs, {n: np.broadcast_to(v, rows) for n, v in given.items()})


def _finite(name: str, result: np.ndarray) -> np.ndarray:
    """Return numbers.

    Raises:
        ConditionError: One is none.
    """
    for value in result:
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = float("nan")
        if not np.isfinite(number):
            raise ConditionError(f"{name} = {value!s} is no finite number.")
    return result.astype(np.float64)


def _build(config: TableConfig, ranges: Any = None, network: Any = None) -> TableSurrogate:
    made = TableSurrogate(
        config,
        network or config.network(),
        config.outputs,
        config.logarithms,
        _inputs,
        width_of(config.inputs),
    )
    made.training_range = dict(ranges or {})
    return made


def _inputs(batch: Case) -> Float[Tensor, "cases features"]:
    """Return what an engineer would take: the inputs as they are."""
    return batch["x"]


def _part(path: Path, split: str, label: str = "") -> OwnTable:
    """Return a part of a table, with one of its outputs or with all.

    Raises:
        UnknownNameError: There is no such output.
    """
    table = read_table_corpus(path, split)
    if not label:
        return table
    chosen = tuple(one for one in table.labels if one.name == label)
    if not chosen:
        names = [one.name for one in table.labels]
        raise UnknownNameError(
            f"the table has no output {label!r}.{did_you_mean(label, names)} Its outputs: "
            f"{', '.join(names)}."
        )
    return OwnTable(inputs=table.inputs, labels=chosen, values=table.values, groups=table.groups)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rows(TableCases):
    """Rows, with the columns they are of, and the outputs that are learned as logarithms."""

    table: OwnTable
    logarithms: tuple[str, ...] = ()


def _read(
    folders: Sequence[Path], settings: RegressionTraining, split: str, _: Path | None
) -> _Rows:
    if len(folders) != 1:
        raise ConfigError(f"give one folder of `formwright import table`; got {len(folders)}.")
    rows = _rows(_part(folders[0], split, settings.label))
    return replace(rows, logarithms=_logarithms(folders[0], rows.table))


def _logarithms(path: Path, table: OwnTable) -> tuple[str, ...]:
    """Return the outputs that are positive in every split and span more than a factor of twenty."""
    parts = [cases_of(_part(path, split)).labels for split in SPLITS]
    names = [one.name for one in table.labels]
    return tuple(n for n in names if _spans(torch.cat([labels[n] for labels in parts])))


def _rows(table: OwnTable) -> _Rows:
    made = cases_of(table)
    return _Rows(x=made.x, labels=made.labels, groups=made.groups, table=table)


def _begin(known: _Rows, _: RegressionTraining, first: Any) -> TableSurrogate:
    if isinstance(first, TableSurrogate):
        return first
    table = known.table
    config = TableConfig(inputs=table.inputs, outputs=table.labels, logarithms=known.logarithms)
    made = _build(config, network=first)
    if first is None:
        made.encoder.standardise(known.x)  # pyright: ignore
    numbers = [one.name for one in table.inputs if not one.choices]
    made.training_range = {
        name: (float(table.values[name].min()), float(table.values[name].max())) for name in numbers
    }
    return made


def _spans(y: Tensor) -> bool:
    """Return whether an output is positive and spans more than a factor of twenty."""
    return bool(y.min() > 0) and float(y.max() / y.min()) > _WIDE


def _floors(
    surrogate: TableSurrogate, known: TableCases, held: TableCases
) -> Mapping[str, Mapping[str, float]]:
    return floors(surrogate, known, held, _inputs, _untrained(surrogate.config, known.x))


def _untrained(config: TableConfig, x: Tensor) -> TableEncoder:
    """Return an encoder that has seen the scale of the inputs and nothing else."""
    network = config.network()
    network.standardise(x)
    return network


def _unlabeled_rows(path: Path) -> _Rows:
    """Return the rows of the training part, and those whose outputs are not known."""
    rows = _rows(_part(path, "train"))
    if UNLABELED not in open_own(path, "table").read(["split"])["split"].to_pylist():
        return rows
    more = cases_of(_part(path, UNLABELED))
    return _Rows(
        x=torch.cat([rows.x, more.x]),
        labels={name: torch.cat([y, more.labels[name]]) for name, y in rows.labels.items()},
        groups=(*rows.groups, *more.groups),
        table=rows.table,
    )


def _views(labels: Sequence[str]) -> dict[str, View]:
    served = tuple(labels)
    return {"corrupt": Corrupt(labels=served), "blur": Blur(labels=served)}


def _recipe(
    objective: Objective, names: Sequence[str], labels: Sequence[str], rows: int
) -> PretrainConfig:
    """Return how an objective is trained on two views of a row."""
    return PretrainConfig(
        labels=tuple(labels),
        pretext=matched(objective),
        views=views_named(names, _views(labels), tuple(labels)),
        batch_cases=min(128, rows),
        train=TrainConfig(steps=600, learning_rate=1e-3, log_every_steps=50),
    )


def _unlabeled(path: Path, label: str | None, _: str | None) -> Start:
    rows = _unlabeled_rows(path)
    config = TableConfig(inputs=rows.table.inputs)
    labels = [label] if label else [one.name for one in rows.table.labels]
    return Start(
        network=lambda: _untrained(config, rows.x),
        data=rows,
        config=_recipe(VICReg(), VIEWS, labels, len(rows)),
        views=_views(labels),
        architecture=config,
    )


def _task(
    corpora: Sequence[Path],
    label: str,
    unlabeled: Path | None = None,
    objectives: Mapping[str, Objective] | None = None,
    views: Sequence[Sequence[str]] = (),
) -> Task:
    settings = RegressionTraining(label=label)
    parts = {split: _read(corpora, settings, split, None) for split in SPLITS}
    seen = _unlabeled_rows(corpora[0] if unlabeled is None else unlabeled)
    config = TableConfig(inputs=parts["train"].table.inputs)
    logarithm = label in parts["train"].logarithms
    chosen = objectives or {"VICReg": VICReg()}
    return Task(
        corpus=corpora[0].name,
        label=f"ln {label}" if logarithm else label,
        unlabeled=seen,
        parts=parts,
        target=lambda batch: batch[label].log() if logarithm else batch[label],
        network=lambda: _untrained(config, seen.x),
        vectors=lambda network, batch: network(batch).per_case,
        raw=_inputs,
        hand=_inputs,
        recipes={
            f"{called}, {' + '.join(names)}": _recipe(objective, names, [label], len(seen))
            for called, objective in chosen.items()
            for names in views or (VIEWS,)
        },
    )


KIND: Final = Kind(
    name="table",
    cases="rows of a table",
    model=TableSurrogate,
    config=TableConfig,
    build=_build,
    question=None,
    network=TableConfig.network,
    training=lambda *_: RegressionTraining(
        batch_cases=64,
        linear_first=True,
        train=TrainConfig(steps=4000, learning_rate=2e-3, ema_decay=0.995),
    ),
    read=_read,
    begin=_begin,
    learn=learn,
    score=score,
    unlabeled=_unlabeled,
    floors=_floors,
    task=_task,
)
