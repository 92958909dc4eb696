"""One round of a study of catalysts: fine-tune, calibrate, propose, verify; each stage on disk.

``round-N/`` holds ``surrogate.safetensors`` and ``training.json`` (with checkpoint and log of the
training, from which a killed one goes on), ``proposals.json`` (the search) and ``verdicts.json``.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from formwright.datasets.atoms.bulks import alloys
from formwright.datasets.atoms.mamun import Alloy
from formwright.datasets.errors import ConfigError
from formwright.datasets.files import write_record
from formwright.design.catalysts.alloy_search import propose
from formwright.design.catalysts.alloys import AlloyDesign, Claim, Proposal, Proposals
from formwright.design.catalysts.config import NO_ENCODER, CatalystStudy
from formwright.design.catalysts.labels import Label, cases, fits, judged_by_table
from formwright.design.catalysts.verify import Judge, Verdict, is_hit, verify
from formwright.design.records import plain, read_json
from formwright.surrogate.atoms.adsorption import AdsorptionSurrogate
from formwright.surrogate.atoms.finetune import (
    AdsorptionFinetuneConfig,
    calibrate_adsorption,
    finetune_adsorption,
    mean_absolute_error,
)
from formwright.surrogate.training.loop import TrainConfig
from formwright.surrogate.zoo import FILE, load, save

Tell = Callable[[str, float], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """What a round found.

    Attributes:
        index: From 1.
        training: Labels, steps, seconds and error on the labels held back; empty without training.
        search: Evaluations, seconds, trace, and how often each element was looked at.
        proposals: Most probable first.
        verdicts: On each, by adsorbate.
        seconds: Of the verification.
    """

    index: int
    training: dict[str, Any]
    search: dict[str, Any]
    proposals: tuple[Proposal, ...]
    verdicts: tuple[dict[str, Verdict], ...]
    seconds: float

    def hits(self, design: AlloyDesign) -> list[bool | None]:
        """Return which proposals meet all targets by the verdicts; None without a verdict."""
        return [is_hit(found, design.targets) for found in self.verdicts]


def trained(
    study: CatalystStudy, index: int, labels: Sequence[Label], folder: Path, *, progress: bool
) -> AdsorptionSurrogate:
    """Return the surrogate of a round, trained now or going on from where it was left.

    Args:
        study: How.
        index: Of the round; the first begins with the encoder, others with the round before.
        labels: All that are known.
        folder: Of the study.
        progress: Show a bar where standard error is a terminal.
    """
    own = folder / f"round-{index}"
    if (own / "training.json").exists():
        return load(own)
    surrogate = _untrained(study) if index == 1 else load(folder / f"round-{index - 1}")
    surrogate.requires_grad_(True)
    steps = study.steps if index == 1 else study.more_steps
    config = AdsorptionFinetuneConfig(train=_loop(study, steps, index))
    known = [one for one in labels if one.use != "held"]
    held = [one for one in labels if one.use == "held"]
    began = time.perf_counter()
    finetune_adsorption(surrogate, cases(known, surrogate.encoder), config, own, progress=progress)
    judged = cases(held, surrogate.encoder)
    calibrate_adsorption(surrogate, judged)
    seen = {"labels": len(known), "held": len(held), "steps": steps}
    save(surrogate, own / FILE, {"study": study.name, "round": index, **seen})
    error = mean_absolute_error(surrogate, judged)
    spent = time.perf_counter() - began
    write_record(own / "training.json", {**seen, "held_mae_ev": error, "seconds": spent})
    return load(own)


def _untrained(study: CatalystStudy) -> AdsorptionSurrogate:
    """Return a surrogate on the encoder of a study, its heads drawn by the seed."""
    config = study.network
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(study.seed)
        new = study.encoder == NO_ENCODER
        network = config.network() if new else load(study.encoder)
        return AdsorptionSurrogate(config, network)  # pyright: ignore[reportArgumentType]


def _loop(study: CatalystStudy, steps: int, index: int) -> TrainConfig:
    return TrainConfig(
        steps=steps,
        learning_rate=study.learning_rate if index == 1 else 0.5 * study.learning_rate,
        weight_decay=1e-2,
        ema_decay=1.0 - 10.0 / max(steps, 20),
        clip_norm=5.0,
        seed=study.seed + index,
        threads=study.threads,
        log_every_steps=10,
        checkpoint_every_seconds=15.0,
    )


def proposed(
    study: CatalystStudy,
    index: int,
    surrogate: AdsorptionSurrogate,
    known: Collection[Alloy],
    judge: Judge,
    folder: Path,
    tell: Tell,
) -> tuple[tuple[Proposal, ...], dict[str, Any]]:
    """Return the proposals of a round and what there is to say of the search.

    Args:
        study: What is wanted.
        index: Of the round.
        surrogate: Asked.
        known: Alloys that are labels or were proposed before.
        judge: Where there is no oracle, only what the table has is proposed.
        folder: Of the study.
        tell: Told what is done, and the share that is behind it.

    Raises:
        ConfigError: There is nothing that could be proposed.
    """
    path = folder / f"round-{index}" / "proposals.json"
    done = read_json(path)
    if done is None:
        design = study.search(index)
        allowed = _allowed(design, known, judge)
        done = _described(propose(surrogate, design, allowed=allowed, tell=tell))
        done["could_be"] = len(allowed)
        write_record(path, plain(done))
    return tuple(_proposal(row) for row in done["proposals"]), done


def _allowed(design: AlloyDesign, known: Collection[Alloy], judge: Judge) -> set[Alloy]:
    """Return the alloys that may be proposed."""
    if judge.table and judge.oracle is None:
        every = set(judged_by_table(design.targets))
    else:
        every = set(alloys(design.elements, ("A1", *design.prototypes)))
    left = {alloy for alloy in every if fits(alloy, design)} - set(known)
    if not left:
        raise ConfigError(
            "no alloy is left to propose: all that elements, prototypes and price allow are "
            "labels already, or nobody could verify them. Allow more, or train on fewer labels."
        )
    return left


def verified(
    study: CatalystStudy,
    index: int,
    proposals: Sequence[Proposal],
    labels: Sequence[Label],
    judge: Judge,
    folder: Path,
) -> tuple[tuple[dict[str, Verdict], ...], float]:
    """Return the verdicts of a round and the seconds that they took."""
    path = folder / f"round-{index}" / "verdicts.json"
    done = read_json(path)
    if done is None:
        began = time.perf_counter()
        found = verify(judge, proposals, study.design.targets, labels)
        rows = [{name: asdict(one) for name, one in row.items()} for row in found]
        done = {"verdicts": rows, "seconds": time.perf_counter() - began}
        write_record(path, plain(done))
    rows = [{name: _verdict(one) for name, one in row.items()} for row in done["verdicts"]]
    return tuple(rows), done["seconds"]


def _described(found: Proposals) -> dict[str, Any]:
    """Return a search as JSON knows it."""
    looked = Counter(element for alloy in found.seen for element in set(alloy.pair))
    return {
        "proposals": [asdict(one) for one in found.best],
        "evaluations": found.evaluations,
        "real_alloys": len(found.seen),
        "seconds": found.seconds,
        "trace": {name: list(values) for name, values in found.trace.items()},
        "elements": dict(sorted(looked.items())),
    }


def _proposal(row: dict[str, Any]) -> Proposal:
    claims = {name: Claim(**one) for name, one in row["claims"].items()}
    return Proposal(alloy=Alloy(**row["alloy"]), hit=row["hit"], claims=claims)


def _verdict(row: dict[str, Any]) -> Verdict:
    energy = row["energy_ev"]
    return Verdict(**{**row, "energy_ev": math.nan if energy is None else energy})
