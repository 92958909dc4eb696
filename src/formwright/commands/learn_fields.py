"""``formwright finetune --rans --fields``: a surrogate of fields from the records of a corpus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from formwright.commands.learn_rans import SPLITS

if TYPE_CHECKING:
    from formwright.surrogate.encoder import Encoder
    from formwright.surrogate.rans.fields.cases import FieldCases
    from formwright.surrogate.rans.fields.surrogate import FieldConfig
    from formwright.surrogate.rans.fields.training import WallErrors

SAMPLES: Final = "samples"
_NAMED: Final = 3


def finetune_fields(
    path: Path,
    out: Path,
    pretrained: str | None,
    network: str | None,
    config: Path | None,
    steps: int | None,
    seed: int | None,
    *,
    quiet: bool,
) -> None:
    """Train a surrogate of fields on the records of a corpus, judge, save."""
    from formwright.commands.learn import settings_of
    from formwright.datasets.config import to_mapping
    from formwright.surrogate.rans.fields import surrogate as rans_fields
    from formwright.surrogate.rans.fields import training as tuning

    settings = settings_of(tuning.FieldTraining, config, steps, seed)
    shape = rans_fields.FieldConfig(network=rans_fields.Network(network or "grid"))
    encoder = None if pretrained is None else _encoder(pretrained, shape)
    parts = _field_cases(path, out / SAMPLES, shape.factor, quiet=quiet)
    surrogate = tuning.fit(
        parts["train"].samples, shape, settings, out, encoder=encoder, progress=not quiet
    )
    errors = _means(tuning.wall_errors(surrogate, parts["validation"].samples))
    provenance = {
        "corpus": str(path),
        "cases": {split: len(part.names) for split, part in parts.items()},
        "left_out": {split: len(part.left_out) for split, part in parts.items()},
        "validation": errors,
        "from": str(pretrained or "scratch"),
        "network": shape.network.value,
        **surrogate.provenance,
        "config": to_mapping(settings),
    }
    rans_fields.save(surrogate, out / rans_fields.FILE, provenance)
    count = len(parts["validation"].names)
    _show(errors, f"{out}, validation split: {count:,} cases")


def _encoder(pretrained: str, shape: FieldConfig) -> Encoder:
    """Return the encoder of fields that training begins with.

    Raises:
        ConfigError: There is no such folder.
        CheckpointError: It holds an encoder of another architecture.
    """
    from formwright.datasets.errors import ConfigError
    from formwright.surrogate.rans.fields.pretraining import pretrained_encoder

    if not Path(pretrained).is_dir():
        raise ConfigError(
            f"--pretrained {pretrained!r} is no folder: with --fields give one that `formwright "
            "pretrain --fields` wrote, or leave it out."
        )
    return pretrained_encoder(pretrained, shape)


def _field_cases(path: Path, store: Path, factor: int, *, quiet: bool) -> dict[str, FieldCases]:
    """Return the samples of training and validation cases; say what is left out.

    Raises:
        CorpusError: One of the splits has none.
    """
    from rich.progress import Progress

    from formwright.datasets.errors import CorpusError
    from formwright.surrogate.rans.fields.cases import field_cases

    with Progress(console=Console(stderr=True), transient=True, disable=quiet) as bar:
        task = bar.add_task("samples", total=None)

        def watch(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        parts = field_cases(path, store, SPLITS, factor, watch)
    for split, part in parts.items():
        reasons = _reasons(part.left_out)
        if not part.samples:
            why = "; ".join(reasons) or "no case of it converged"
            raise CorpusError(
                f"{str(path)!r} has no case of split {split!r} that fields can be learned from "
                f"({why}). Extend the corpus (formwright corpus rans --cases), or bring its flows/."
            )
        for reason in reasons:
            print(f"left out of {split}: {reason}")
    return parts


def _reasons(left_out: Mapping[str, str]) -> list[str]:
    """Return one phrase a reason: how many cases, why, and the first of them."""
    found = []
    for why, count in Counter(left_out.values()).most_common():
        names = [name for name, other in left_out.items() if other == why]
        more = ", ..." if count > _NAMED else ""
        found.append(f"{count:,} with {why} ({', '.join(names[:_NAMED])}{more})")
    return found


def _means(errors: WallErrors) -> dict[str, float]:
    """Return means over the cases."""
    lift, drag = errors.cl - errors.cl_true, errors.cd - errors.cd_true
    return {
        "cl": float(lift.abs().mean()),
        "cd, relative": float((drag / errors.cd_true).abs().mean()),
        "cp, RMSE": float(errors.cp.mean()),
        "cf, relative": float(errors.cf.mean()),
    }


def _show(errors: Mapping[str, float], title: str) -> None:
    """Print errors at the wall."""
    table = Table(title=escape(title))
    table.add_column("at the wall")
    table.add_column("mean error", justify="right")
    for name, error in errors.items():
        table.add_row(name, f"{error:.4f}")
    Console(highlight=False).print(table)
