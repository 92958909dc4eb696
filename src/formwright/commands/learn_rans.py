"""``formwright finetune --rans``: a surrogate of forces and wall pressure from a corpus of RANS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from formwright.surrogate.rans.wall.network import WallNet
    from formwright.surrogate.rans.wall.surrogate import RansConfig
    from formwright.surrogate.rans.wall.training import WallTraining

COARSE: Final = "coarse"
"""Folder of the training on coarse cases."""
SPLITS: Final = ("train", "validation")
MADE: Final = ("*/*.safetensors", "*.safetensors")


def check_flags(
    rans: Path | None,
    start: str | None,
    network: str | None,
    coarse: Path | None,
    *,
    fields: bool,
) -> None:
    """Refuse flags of ``finetune`` that say nothing without others.

    Raises:
        ConfigError: See above.
    """
    from formwright.datasets.errors import ConfigError

    if fields and rans is None:
        raise ConfigError("--fields is a choice of --rans: give the corpus, --rans corpora/rans.")
    if network is not None and not fields:
        raise ConfigError(f"--network {network} is a choice of --rans with --fields; leave it out.")
    if coarse is not None and (rans is None or fields):
        raise ConfigError(
            f"--coarse {coarse} goes before --rans, and not with --fields: give the corpus of the "
            "cases that count, or leave it out."
        )
    if rans is not None and start is not None:
        raise ConfigError(
            f"--start {start} is for polars and atoms: with --rans give --pretrained, or nothing "
            "to train from scratch."
        )


def finetune_forces(
    path: Path,
    out: Path,
    pretrained: str | None,
    config: Path | None,
    steps: int | None,
    seed: int | None,
    coarse: Path | None = None,
    *,
    quiet: bool,
) -> None:
    """Train the networks along the wall on a corpus, calibrate, judge, save."""
    from formwright import load
    from formwright.commands.learn import settings_of
    from formwright.datasets.begun import claim, content
    from formwright.datasets.config import to_mapping
    from formwright.datasets.corpus import open_corpus
    from formwright.datasets.rans.data import read_rans
    from formwright.surrogate import zoo
    from formwright.surrogate.rans.wall import training as tuning
    from formwright.surrogate.rans.wall.cases import rans_walls
    from formwright.surrogate.rans.wall.surrogate import RansConfig, RansSurrogate
    from formwright.surrogate.training.loop import origin
    from formwright.surrogate.training.run import MAY_CHANGE

    fresh = pretrained is None and coarse is None
    base = tuning.FROM_SCRATCH if fresh else tuning.FINE_TUNING
    settings = settings_of(tuning.WallTraining, config, steps, seed, base)
    shape = RansConfig()
    start = _network(pretrained, shape, settings.train.seed)
    data = read_rans(path)
    learning, checking = (data.of_split(split) for split in SPLITS)
    cheap = None if coarse is None else read_rans(coarse).of_split("train")
    asked = {**origin(start, learning, settings), "coarse": cheap and content(cheap)}
    claim(out, asked, made=MADE, free=MAY_CHANGE)
    polar = load("airfoil-polar")
    if cheap is not None:
        how = _on_coarse(steps, settings.train.seed)
        tuning.train_wall(start, rans_walls(polar, cheap), how, out / COARSE, progress=not quiet)
    ranges = {n: _range(getattr(learning, n).tolist()) for n in ("alpha_deg", "reynolds")}
    surrogate = RansSurrogate(shape, ranges, polar)
    cases, others = (rans_walls(polar, part) for part in (learning, checking))
    tuning.finetune_rans(
        surrogate, start, cases, settings, out, seed=settings.train.seed, progress=not quiet
    )
    surrogate.eval()
    tuning.calibrate_rans(surrogate, others, known=cases, families=learning.families)
    errors = tuning.wall_errors(surrogate.members, others)
    found = {name: float(values.mean()) for name, values in errors.items()}
    provenance = {
        "corpus": str(path),
        "cases": len(learning),
        "validation": {"cases": len(checking), **found},
        "solver": open_corpus(path).manifest.get("solver", ""),
        "from": str(pretrained or "scratch"),
        "coarse": str(coarse or ""),
        "config": to_mapping(settings),
    }
    zoo.save(surrogate, out / zoo.FILE, provenance)
    shares = tuning.coverage(surrogate, others).tolist()
    _show(found, shares, f"{out}, validation split: {len(checking):,} cases")


def _on_coarse(steps: int | None, seed: int) -> WallTraining:
    """Return how to learn from coarse cases; ``steps`` is of that loop too."""
    from dataclasses import replace

    from formwright.surrogate.rans.wall.training import COARSE_RANS

    loop = COARSE_RANS.train
    loop = replace(loop, seed=seed, steps=loop.steps if steps is None else steps)
    return replace(COARSE_RANS, train=loop)


def _network(pretrained: str | None, shape: RansConfig, seed: int) -> WallNet:
    """Return the network along the wall that training begins with.

    Raises:
        CheckpointError: It is a network of something else, or of another size.
    """
    from formwright.commands.learn import seed_everything
    from formwright.datasets.errors import CheckpointError
    from formwright.surrogate.checkpoints import load_state
    from formwright.surrogate.rans.wall.network import WallNet
    from formwright.surrogate.zoo import load_network

    seed_everything(seed)
    own = shape.network()
    if pretrained is None:
        return own
    found = load_network(pretrained, shape)
    if not isinstance(found, WallNet):
        raise CheckpointError(
            f"{pretrained!r} is of another architecture: a {type(found).__name__}, where --rans "
            "begins with a network along the wall. Give rans-wall or turbulent-wall, which are "
            "shipped, or a folder with a network of that kind."
        )
    load_state(own, found.state_dict(), pretrained)
    return own


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Return the lowest and the highest value."""
    return min(values), max(values)


def _show(errors: Mapping[str, float], shares: Sequence[float], title: str) -> None:
    """Print errors and coverage."""
    from formwright.surrogate.uncertainty.conformal import LEVEL

    rows: dict[str, Any] = {"cl": "cl_absolute", "cd, relative": "cd", "cm": "cm", "cp, RMSE": "cp"}
    table = Table(title=escape(title))
    table.add_column("label")
    table.add_column("mean error", justify="right")
    table.add_column(f"inside the {100 * LEVEL:.0f} % interval", justify="right")
    inside = [*(f"{100 * share:.1f} %" for share in shares), ""]
    for (label, name), share in zip(rows.items(), inside, strict=True):
        table.add_row(label, f"{errors[name]:.4f}", share)
    Console(highlight=False).print(table)
