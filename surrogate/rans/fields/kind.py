"""The kind ``rans-fields``: velocity, pressure, eddy viscosity and wall of turbulent flow."""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import Progress
from torch import nn

from formwright.datasets.errors import ConfigError, CorpusError
from formwright.surrogate.kinds import Kind, Scores, Start
from formwright.surrogate.rans.fields import training as tuning
from formwright.surrogate.rans.fields.cases import FieldCases, field_cases
from formwright.surrogate.rans.fields.network import FieldConfig, Network
from formwright.surrogate.rans.fields.panel_field_corpus import read_panel_fields
from formwright.surrogate.rans.fields.pretraining import (
    field_views,
    graphs_of,
    masked_cells,
    matched_meshes,
)
from formwright.surrogate.rans.fields.surrogate import FieldSurrogate
from formwright.surrogate.uncertainty.conformal import LEVEL

SAMPLES: Final = "samples"
_FACTORS: Final = (1, 2, 4)
"""Cells that are joined in both directions, where they divide the meshes."""
_NAMED: Final = 3


def _read(
    corpora: Sequence[Path], _: tuning.FieldTraining, split: str, folder: Path | None
) -> FieldCases:
    if len(corpora) != 1:
        raise ConfigError(f"a surrogate of fields is fitted to one corpus; got {len(corpora)}.")
    with (
        tempfile.TemporaryDirectory() as scratch,
        Progress(
            console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()
        ) as bar,
    ):
        task = bar.add_task(f"{split} samples", total=None)
        store = Path(scratch) if folder is None else folder / SAMPLES

        def watch(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        result = field_cases(corpora[0], store, (split,), FieldConfig().factor, watch)[split]
    reasons = _reasons(result.left_out)
    if not result.samples:
        why = "; ".join(reasons) or "no case of it converged"
        raise CorpusError(
            f"{str(corpora[0])!r} has no case of split {split!r} that fields can be learned from "
            f"({why}). Extend the corpus (formwright corpus rans --flows), or bring its flows/."
        )
    for reason in reasons:
        print(f"left out of {split}: {reason}")
    return result


def _reasons(left_out: Mapping[str, str]) -> list[str]:
    """Return one phrase a reason: how many cases, why, and the first of them."""
    result = []
    for why, count in Counter(left_out.values()).most_common():
        names = [name for name, other in left_out.items() if other == why]
        more = ", ..." if count > _NAMED else ""
        result.append(f"{count:,} with {why} ({', '.join(names[:_NAMED])}{more})")
    return result


def _begin(known: FieldCases, settings: tuning.FieldTraining, first: Any) -> FieldSurrogate:
    if first is None:
        config, encoder = FieldConfig(network=settings.network), None
        return tuning.begin(known.samples, config, seed=settings.train.seed, encoder=encoder)
    config = first.config
    if settings.network is not config.network:
        raise ConfigError(
            f"the pretrained network is of the {config.network} and that of the "
            f"{settings.network} is asked for: give --network {config.network}, or pretrain that "
            f"of the {settings.network}."
        )
    seed = settings.train.seed
    return tuning.begin(known.samples, config, seed=seed, encoder=first.encoder)


def _learn(
    surrogate: FieldSurrogate,
    known: FieldCases,
    _: FieldCases,
    settings: tuning.FieldTraining,
    folder: Path | None,
    progress: bool,
) -> None:
    tuning.train_fields(surrogate, known.samples, settings, folder, progress=progress)


def score(surrogate: FieldSurrogate, cases: FieldCases) -> Scores:
    """Compare a surrogate with records of RANS: forces and the wall; there are no intervals."""
    errors = tuning.wall_errors(surrogate, cases.samples)
    lift, drag = errors.cl - errors.cl_true, errors.cd - errors.cd_true
    means = {
        "cl": lift.abs(),
        "cd_relative": (drag / errors.cd_true).abs(),
        "cp_rmse": errors.cp,
        "cf_relative": errors.cf,
    }
    return Scores(
        error={name: float(values.mean()) for name, values in means.items()},
        level=LEVEL,
        counts={"cases": len(cases.names)},
    )


def _unlabeled(path: Path, label: str | None, network: str | None) -> Start:
    config, data = FieldConfig(network=Network(network or "grid")), read_panel_fields(path)
    size = data.grid.tolist()
    factors = tuple(by for by in _FACTORS if all(number % by == 0 for number in size))
    return Start(
        network=lambda: FieldSurrogate(config),
        data=data,
        config=masked_cells(config),
        views=field_views(factors),
        pretexts={"masked": masked_cells(config).pretext},
        last=graphs_of(config),
        of_two_views=matched_meshes(config, factors=factors),
        architecture=config,
    )


def _network(config: FieldConfig) -> nn.Module:
    return FieldSurrogate(config)


KIND: Final = Kind(
    name="rans-fields",
    cases="RANS cases with their flows",
    model=FieldSurrogate,
    config=FieldConfig,
    build=lambda config, _: FieldSurrogate(config),
    question=None,
    network=_network,
    training=lambda *_: tuning.FieldTraining(),
    read=_read,
    begin=_begin,
    learn=_learn,
    score=score,
    networks=tuple(one.value for one in Network),
    unlabeled=_unlabeled,
)
