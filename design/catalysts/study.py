"""The verified loop for catalysts on disk: labels -> surrogate -> alloys by gradient -> DFT, again.

A study's folder
----------------
``study.toml`` (as run), ``labels.jsonl`` (what is known at the end: drawn, held back, verdicts),
``round-N/`` (``design.catalysts.rounds``), ``result.json``, ``proposals.csv``, ``best.extxyz`` (the
best alloys, each adsorbate on its claimed site, not relaxed), ``state/`` and ``report.html``. No
file holds NaN: an absent number is ``null``. A *claim* is the surrogate's, a *verdict* that of DFT
or of an oracle.

``result.json``::

    format_version   1
    kind             "catalyst"
    name             str
    verdict          str, one sentence: hits among the proposals, by whom, against chance
    targets          [{adsorbate, energy_ev, tolerance_ev}, ...]
    surrogate        {name, level, labels: {train, held, verdict}}   level: coverage of intervals
    verifier         {requested, used, why, offsets: {adsorbate: [offset_ev, scatter_ev]}}
    chance           {alloys, hits, share: number | null}
                     of the table's alloys that could be proposed at the start, how many are hits
    rounds           one entry a round:
      {round, training: {labels, held, steps, held_mae_ev, seconds} | {},
       proposed, judged, hits, share: number | null,
       mae_ev: number | null (claims against verdicts),
       kept, claims (verdicts inside the interval, and verdicts), evaluations, real_alloys,
       trace: {prototype: [number, ...]} (probability of the best mixture at each step),
       seconds: {train, search, verify}}
    proposals        one entry an alloy, by round and probability:
      {round, rank, alloy: {prototype, a, b}, name, probability, hit: bool | null,
       price_usd_per_mol: number | null, labels: how many of this alloy (other adsorbates) trained,
       file_index: number | null (place in best.extxyz of its first adsorbate),
       claims:   {adsorbate: {energy_ev, std_ev, lower_ev, upper_ev, site}},
       verdicts: {adsorbate: {energy_ev: number | null, site, source, error_ev, reason,
                              within: bool | null}}}
    elements         {symbol: {asked, proposed, hits}}   alloys with it: looked at, proposed, hits
    evaluations, seconds {train, search, verify, total}
    study            the study itself, as a mapping
    versions, started, finished
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from formwright.datasets.atoms.mamun import Alloy
from formwright.datasets.files import write_record
from formwright.datasets.solvers.ase import AseSolver
from formwright.design.catalysts import results
from formwright.design.catalysts.config import CatalystStudy, read_study
from formwright.design.catalysts.labels import (
    Label,
    drawn,
    labelled_alloys,
    shipped_labels,
    shipped_rows,
    verdict_labels,
    write_labels,
)
from formwright.design.catalysts.rounds import Round, Tell, proposed, trained, verified
from formwright.design.catalysts.verify import TABLE, Judge, choose
from formwright.design.records import plain, read_json
from formwright.design.study_folder import now, open_folder, started
from formwright.surrogate.atoms.adsorption import LABEL, AdsorptionSurrogate
from formwright.surrogate.model import need_labels
from formwright.surrogate.zoo import load

FILES: Final = (
    "study.toml",
    "labels.jsonl",
    "result.json",
    "proposals.csv",
    "best.extxyz",
    "report.html",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class CatalystResult:
    """The outcome of a study.

    Attributes:
        folder: Where everything lies.
        verdict: The outcome in one sentence.
        proposed: Alloys proposed.
        judged: How many of them have a verdict.
        hits: How many meet all targets by it.
        chance: Share of hits among all alloys that could be proposed; None where not known.
        result: All of ``result.json``.
    """

    folder: Path
    verdict: str
    proposed: int
    judged: int
    hits: int
    chance: float | None
    result: Mapping[str, Any]


def run(
    study: CatalystStudy,
    folder: str | os.PathLike[str],
    *,
    resume: bool = True,
    surrogate: AdsorptionSurrogate | None = None,
    oracle: AseSolver | None = None,
    tell: Tell = lambda what, share: None,
    progress: bool = True,
) -> CatalystResult:
    """Train, propose, verify, learn from the verdicts, again; record and report.

    What ``folder`` already holds of the same study is not repeated: a training goes on from its
    last checkpoint, a search that was cut short begins again, a finished study is returned.

    Args:
        study: What to do.
        folder: Where to write; made if absent.
        resume: Go on from what is there; else begin anew.
        surrogate: Use this one, untrained here, instead of ``study.surrogate``.
        oracle: Use this one instead of CHGNet; it is not tested.
        tell: Told what the search does, and which share of it is done.
        progress: Show a bar of the training where standard error is a terminal.

    Raises:
        ConfigError: The folder holds another study, its surrogate is not of adsorption energies,
            or nothing is left to propose.
        UnknownNameError: There is no such encoder or surrogate.
        MissingSolverError: The oracle asked for is not installed.
        StorageError: The disk is full; run again to go on.
    """
    path = Path(folder)
    rounds = tuple(f"round-{index}" for index in range(1, 1 + study.rounds))
    open_folder(path, study, (*FILES, *rounds), resume=resume)
    done = read_json(path / "result.json")
    if done is None:
        given = surrogate or (None if study.surrogate is None else _loaded(study.surrogate))
        judge = choose(study.verifier, relax=study.relax, oracle=oracle)
        with _threads(study.threads):
            done = _run(study, path, given, judge, tell, progress)
    if not (path / "report.html").exists():
        from formwright.design.catalysts.report import write_report

        write_report(path)
    return _summary(path, done)


def _loaded(name: str) -> AdsorptionSurrogate:
    """Return a surrogate of adsorption energies."""
    surrogate = load(name)
    needed = (
        'a study of a catalyst needs: set surrogate = "adsorption-mamun" or a folder that '
        "finetune --structures wrote"
    )
    need_labels(surrogate, (LABEL,), name, needed)
    return surrogate


def _run(
    study: CatalystStudy,
    path: Path,
    given: AdsorptionSurrogate | None,
    judge: Judge,
    tell: Tell,
    progress: bool,
) -> dict[str, Any]:
    """Run all rounds and write what they found, ``result.json`` last."""
    targets = study.design.targets
    first = [] if given else drawn(study.labels, study.held_share, study.seed)
    labels: list[Label] = list(first)
    compared = first or shipped_rows(targets, study.seed)
    known = shipped_labels(targets) if given else labelled_alloys(labels, targets)
    begun, asked = set(known), set(known)
    rounds: list[Round] = []
    for index in range(1, 1 + study.rounds):
        surrogate = given or trained(study, index, labels, path, progress=progress)
        found, search = proposed(study, index, surrogate, asked, judge, path, tell)
        verdicts, seconds = verified(study, index, found, compared, judge, path)
        training = {} if given else read_json(path / f"round-{index}" / "training.json")
        rounds.append(
            Round(
                index=index,
                training=training,
                search=search,
                proposals=found,
                verdicts=verdicts,
                seconds=seconds,
            )
        )
        asked |= {one.alloy for one in found}
        labels += verdict_labels(_by_dft(rounds[-1]), [t.adsorbate for t in targets], index)
        write_labels(path / "labels.jsonl", labels)
    times = {"started": started(path), "finished": now()}
    content = plain(results.result(study, rounds, labels, begun, judge, times))
    results.write_table(path / "proposals.csv", content)
    results.write_best(path / "best.extxyz", content)
    write_record(path / "result.json", content)
    return content


def _by_dft(found: Round) -> list[Alloy]:
    """Return the alloys of a round that the table judged: their energies become labels."""
    rows = zip(found.proposals, found.verdicts, strict=True)
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


def _summary(path: Path, content: Mapping[str, Any]) -> CatalystResult:
    """Return the outcome that ``result.json`` holds."""
    rows = content["proposals"]
    return CatalystResult(
        folder=path,
        verdict=content["verdict"],
        proposed=len(rows),
        judged=sum(row["hit"] is not None for row in rows),
        hits=sum(row["hit"] is True for row in rows),
        chance=content["chance"]["share"],
        result=content,
    )


__all__ = ["CatalystResult", "CatalystStudy", "read_study", "run"]
