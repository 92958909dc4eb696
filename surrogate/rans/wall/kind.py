"""The kind ``rans``: turbulent lift, drag, moment and wall pressure of sections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from formwright.datasets.begun import claim, content
from formwright.datasets.errors import ConfigError
from formwright.datasets.rans.data import RansData, read_rans
from formwright.surrogate.airfoils.kind import section_question
from formwright.surrogate.airfoils.polar import PolarSurrogate
from formwright.surrogate.checkpoints import load_state
from formwright.surrogate.kinds import Kind, Scores
from formwright.surrogate.rans.wall import training as tuning
from formwright.surrogate.rans.wall.cases import rans_walls
from formwright.surrogate.rans.wall.network import WallNet
from formwright.surrogate.rans.wall.surrogate import RansConfig, RansSurrogate
from formwright.surrogate.training.loop import origin
from formwright.surrogate.training.run import MAY_CHANGE
from formwright.surrogate.uncertainty.conformal import LEVEL
from formwright.surrogate.zoo import load

COARSE: Final = "coarse"
"""Folder of the training on coarse cases."""
MADE: Final = ("*/*.safetensors", "*.safetensors")
_ERRORS: Final = {"cl": "cl_absolute", "cd_relative": "cd", "cm": "cm", "cp_rmse": "cp"}


def _training(first: Any, given: Mapping[str, Any]) -> tuning.WallTraining:
    fresh = first is None and given.get("coarse") is None
    return tuning.FROM_SCRATCH if fresh else tuning.FINE_TUNING


def _read(corpora: Sequence[Path], _: tuning.WallTraining, split: str, __: Path | None) -> RansData:
    if len(corpora) != 1:
        raise ConfigError(f"a surrogate of RANS is fitted to one corpus; got {len(corpora)}.")
    return read_rans(corpora[0]).of_split(split)


def _begin(known: RansData, _: tuning.WallTraining, first: Any) -> RansSurrogate:
    if isinstance(first, RansSurrogate):
        raise ConfigError(
            "a surrogate of RANS is fitted from a pretrained network (rans-wall, turbulent-wall) "
            "or from scratch, not from another surrogate: give --pretrained."
        )
    columns = ((name, getattr(known, name)) for name in ("alpha_deg", "reynolds"))
    ranges = {name: (float(values.min()), float(values.max())) for name, values in columns}
    surrogate = RansSurrogate(RansConfig(), ranges, load("airfoil-polar"))
    state = (first or surrogate.members[0]).state_dict()
    for member in surrogate.members:
        load_state(member, state, "the pretrained network")
    return surrogate


def _learn(
    surrogate: RansSurrogate,
    known: RansData,
    held: RansData,
    settings: tuning.WallTraining,
    folder: Path | None,
    progress: bool,
) -> None:
    start, polar = deepcopy(surrogate.members[0]), surrogate.polar
    assert isinstance(start, WallNet)
    own = replace(settings, coarse=None)
    cheap = None if settings.coarse is None else read_rans(settings.coarse).of_split("train")
    if folder is not None:
        made_from = {**origin(start, known, own), "coarse": cheap and content(cheap)}
        claim(folder, made_from, made=MADE, free=MAY_CHANGE)
    if cheap is not None:
        _on_coarse(start, cheap, polar, own, folder, progress)
    seed, cases = own.train.seed, rans_walls(polar, known)
    tuning.finetune_rans(surrogate, start, cases, own, folder, seed=seed, progress=progress)
    surrogate.eval()
    walls = rans_walls(polar, held)
    tuning.calibrate_rans(surrogate, walls, known=cases, families=known.families)


def _on_coarse(
    start: WallNet,
    cheap: RansData,
    polar: PolarSurrogate,
    settings: tuning.WallTraining,
    folder: Path | None,
    progress: bool,
) -> None:
    """Train the first network on coarse cases; fewer steps than usual hold here, too."""
    usual, requested = tuning.COARSE_RANS.train, settings.train
    few = requested.steps < tuning.FINE_TUNING.train.steps
    loop = replace(usual, seed=requested.seed, steps=requested.steps if few else usual.steps)
    place = None if folder is None else folder / COARSE
    how = replace(tuning.COARSE_RANS, train=loop)
    tuning.train_wall(start, rans_walls(polar, cheap), how, place, progress=progress)


def score(surrogate: RansSurrogate, data: RansData) -> Scores:
    """Compare a surrogate with RANS cases: lift, drag (relative), moment, pressure."""
    walls = rans_walls(surrogate.polar, data)
    errors = tuning.wall_errors(surrogate.members, walls)
    return Scores(
        error={name: float(errors[key].mean()) for name, key in _ERRORS.items()},
        coverage=dict(
            zip(("cl", "cd", "cm"), tuning.coverage(surrogate, walls).tolist(), strict=True)
        ),
        level=LEVEL,
        counts={"cases": len(data)},
    )


KIND: Final = Kind(
    name="rans",
    cases="RANS cases of sections",
    model=RansSurrogate,
    config=RansConfig,
    build=RansSurrogate,
    question=section_question,
    network=RansConfig.network,
    training=_training,
    read=_read,
    begin=_begin,
    learn=_learn,
    score=score,
)
