"""The verified loop for catalysts: fine-tune, calibrate, propose, verify; each stage on disk.

``round-N/`` holds ``surrogate.safetensors`` and ``training.json`` (with checkpoint and log of the
training, from which a killed one goes on), ``proposals.json`` (the search) and ``verdicts.json``.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from formwright.datasets.atoms.bulks import alloys
from formwright.datasets.atoms.mamun import Alloy
from formwright.datasets.errors import ConfigError
from formwright.datasets.files import write_record
from formwright.design.catalysts import results
from formwright.design.catalysts.alloy_search import propose
from formwright.design.catalysts.alloys import AlloyDesign, Claim, Proposal, Proposals
from formwright.design.catalysts.config import NO_ENCODER, CatalystSpec
from formwright.design.catalysts.labels import (
    Label,
    cases,
    fits,
    judged_by_table,
    row_of,
    verdict_labels,
)
from formwright.design.catalysts.results import CatalystRound, Found
from formwright.design.catalysts.verify import TABLE, Judge, Verdict, is_hit, verify
from formwright.design.loop import Place, Tell
from formwright.design.records import read_json
from formwright.surrogate.atoms.adsorption import AdsorptionSurrogate
from formwright.surrogate.atoms.finetune import (
    AdsorptionFinetuneConfig,
    calibrate_adsorption,
    finetune_adsorption,
    mean_absolute_error,
)
from formwright.surrogate.training.loop import TrainConfig
from formwright.surrogate.zoo import FILE, load, save


@dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """The surrogate of a round.

    Attributes:
        index: Of the round, from 1.
        surrogate: Ready to be asked.
        training: Labels, steps, seconds and error on the labels held back; empty without training.
    """

    index: int
    surrogate: AdsorptionSurrogate
    training: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class CatalystWork:
    """A study of a catalyst at work.

    Attributes:
        study: What is asked.
        begins: The surrogate of the first round before its training, or the one that is given.
        first: Labels drawn; empty where the surrogate is given.
        compared: Labels that an oracle is calibrated on.
        begun: Alloys whose energies were known at the start.
        judge: Who verifies.
        tell: Told what the search does, and which share of it is done.
        progress: Show a bar of the training where standard error is a terminal.
    """

    study: CatalystSpec
    begins: AdsorptionSurrogate
    first: tuple[Label, ...]
    compared: tuple[Label, ...]
    begun: frozenset[Alloy]
    judge: Judge
    tell: Tell
    progress: bool

    def start(self) -> None:
        """There is nothing that the search begins with."""

    def refit(self, rounds: Sequence[CatalystRound], place: Path) -> Trained:
        """Fine-tune on all labels, the verdicts of the table among them, and calibrate."""
        index = len(rounds) + 1
        if not self.first:
            return Trained(index=index, surrogate=self.begins, training={})
        before = load(place.with_name(f"round-{index - 1}")) if rounds else self.begins
        with _threads(self.study.threads):
            labels = self.known(rounds)
            surrogate = trained(self.study, index, before, labels, place, progress=self.progress)
        return Trained(
            index=index, surrogate=surrogate, training=read_json(place / "training.json") or {}
        )

    def propose(
        self, model: Trained, rounds: Sequence[CatalystRound], place: Path
    ) -> dict[str, Any]:
        """Search by gradient for alloys that are no labels and were not proposed before."""
        design = self.study.search(model.index)
        requested = {one.alloy for result in rounds for one in result.claims.proposals}
        allowed = could_be(design, self.begun | requested, self.judge)
        with _threads(self.study.threads):
            result = propose(model.surrogate, design, allowed=allowed, tell=self.tell)
        return {**_described(result), "could_be": len(allowed)}

    def claim(self, model: Trained, proposal: Any) -> Found:
        """Return the proposals, most probable first, with what the search asked anyway."""
        rows = tuple(_proposal(row) for row in proposal["proposals"])
        return Found(proposals=rows, search=proposal, training=model.training)

    def verify(self, claims: Found) -> dict[str, Any]:
        """Ask the table, or the oracle, about every proposal."""
        began = time.perf_counter()
        with _threads(self.study.threads):
            targets = self.study.design.targets
            result = verify(self.judge, claims.proposals, targets, self.compared)
        seconds = time.perf_counter() - began
        return {"verdicts": result, "offsets": self.judge.offsets, "seconds": seconds}

    def read(self, verdicts: Any) -> results.Verdicts:
        """Return the verdicts from JSON; an oracle that was calibrated before stays so."""
        self.judge.offsets.update({k: tuple(v) for k, v in verdicts["offsets"].items()})
        rows = [{k: _verdict(one) for k, one in row.items()} for row in verdicts["verdicts"]]
        return results.Verdicts(rows=tuple(rows), seconds=verdicts["seconds"])

    def known(self, rounds: Sequence[CatalystRound]) -> list[Label]:
        """Return all labels: those drawn, and the verdicts of the table."""
        names = [target.adsorbate for target in self.study.design.targets]
        result = [verdict_labels(_by_dft(one), names, one.index) for one in rounds]
        return [*self.first, *(label for some in result for label in some)]

    def labels(self, rounds: Sequence[CatalystRound]) -> Iterable[Mapping[str, Any]]:
        """Return the lines of ``labels.jsonl``."""
        return map(row_of, self.known(rounds))

    def ranks(self, found: CatalystRound) -> list[tuple[int, float]]:
        """Return what orders proposals: hits first, then unverified, then others; likely first."""
        order = {True: 0, None: 1, False: 2}
        targets = self.study.design.targets
        pairs = zip(found.claims.proposals, found.verdicts.rows, strict=True)
        return [(order[is_hit(verdict, targets)], -one.hit) for one, verdict in pairs]

    def conclude(
        self, rounds: Sequence[CatalystRound], order: Sequence[Place], folder: Path
    ) -> dict[str, Any]:
        """Write the table and the best structures, and return the content of ``result.json``."""
        best = [(found.index, k) for found, k in order]
        content = results.result(
            self.study, rounds, best, self.known(rounds), self.begun, self.judge
        )
        results.write_table(folder / "proposals.csv", content)
        results.write_best(folder / "best.extxyz", content)
        return content


def trained(
    study: CatalystSpec,
    index: int,
    before: AdsorptionSurrogate,
    labels: Sequence[Label],
    own: Path,
    *,
    progress: bool,
) -> AdsorptionSurrogate:
    """Return the surrogate of a round, trained now or going on from where it was left.

    Args:
        study: How.
        index: Of the round.
        before: That of the round before, or one that has learned nothing.
        labels: All that are known.
        own: Folder of the round.
        progress: Show a bar where standard error is a terminal.
    """
    if (own / "training.json").exists():
        return load(own)
    surrogate = before.requires_grad_(True)
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


def untrained(study: CatalystSpec) -> AdsorptionSurrogate:
    """Return a surrogate on the encoder of a study, its heads drawn by the seed."""
    config = study.network
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(study.seed)
        new = study.encoder == NO_ENCODER
        network = config.network() if new else load(study.encoder)
        return AdsorptionSurrogate(config, network)  # pyright: ignore[reportArgumentType]


def _loop(study: CatalystSpec, steps: int, index: int) -> TrainConfig:
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


def could_be(design: AlloyDesign, known: Collection[Alloy], judge: Judge) -> set[Alloy]:
    """Return the alloys that may be proposed.

    Raises:
        ConfigError: There is none.
    """
    if judge.table and judge.oracle is None:
        every = set(judged_by_table(design.targets))
    else:
        every = set(alloys(design.elements, ("A1", *design.prototypes)))
    left = {alloy for alloy in every if fits(alloy, design)} - set(known)
    if not left:
        raise ConfigError(
            "no alloy is left to propose: all that elements, prototypes, price and energy of "
            "formation (design.highest_formation_ev) allow are labels already, or nobody could "
            "verify them. Allow more, or train on fewer labels."
        )
    return left


def _by_dft(found: CatalystRound) -> list[Alloy]:
    """Return the alloys of a round that the table judged: their energies become labels."""
    rows = zip(found.claims.proposals, found.verdicts.rows, strict=True)
    return [p.alloy for p, row in rows if all(one.source == TABLE for one in row.values())]


@contextmanager
def _threads(threads: int | None) -> Iterator[None]:
    """Use so many threads of torch in the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


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
