"""What ``result.json``, ``proposals.csv`` and ``best.extxyz`` of a study of catalysts hold.

The layout is written down in ``formwright.design.catalysts.study``.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from formwright.datasets.atoms import mamun
from formwright.datasets.atoms.bulks import formation_ev_per_atom
from formwright.datasets.atoms.files.structures import write_structures
from formwright.datasets.atoms.mamun import Alloy
from formwright.datasets.atoms.prices import alloy_usd_per_mole
from formwright.datasets.config import to_mapping
from formwright.datasets.files import write_text
from formwright.design.catalysts.alloys import Claim, Proposal, Target
from formwright.design.catalysts.config import CatalystSpec
from formwright.design.catalysts.labels import Label, chance
from formwright.design.catalysts.verify import TABLE, Judge, Verdict, is_hit
from formwright.design.loop import Round
from formwright.design.records import CATALYST_FORMAT
from formwright.design.screening.sites import alloy_structure
from formwright.design.study_folder import versions
from formwright.surrogate.atoms.adsorption import LEVEL
from formwright.surrogate.uncertainty.conformal import NORMAL_QUANTILE

SHOWN: Final = 12
"""Alloys that are written as structures."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What a round claims.

    Attributes:
        proposals: Most probable first.
        search: Evaluations, seconds, trace, and how often each element was looked at.
        training: Labels, steps, seconds and error on the labels held back; empty without training.
    """

    proposals: tuple[Proposal, ...]
    search: Mapping[str, Any]
    training: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdicts:
    """On each proposal by adsorbate, and the seconds that they took."""

    rows: tuple[dict[str, Verdict], ...]
    seconds: float


CatalystRound = Round[Any, Found, Verdicts]


def result(
    study: CatalystSpec,
    rounds: Sequence[CatalystRound],
    order: Sequence[tuple[int, int]],
    labels: Sequence[Label],
    begun: Collection[Alloy],
    judge: Judge,
) -> dict[str, Any]:
    """Return ``result.json`` as a mapping.

    Args:
        study: What was asked.
        rounds: What was found.
        order: Round and place in it of every proposal, the best first.
        labels: All that are known at the end.
        begun: Alloys whose energies were known at the start.
        judge: Who verified.
    """
    design = study.search(1)
    able, good = chance(design, begun)
    share = good / able if able else None
    rows = [row for result in rounds for row in _rows(study, result, labels)]
    places = {(row["round"], row["rank"] - 1): row for row in rows}
    for place, key in enumerate(order[:SHOWN]):
        places[key]["file_index"] = place * len(design.targets)
    uses = Counter(one.use for one in labels)
    described = [_round(result, rows) for result in rounds]
    seconds = {name: sum(r["seconds"][name] for r in described) for name in described[0]["seconds"]}
    return {
        "format_version": CATALYST_FORMAT,
        "kind": study.kind,
        "name": study.name,
        "verdict": sentence(rows, design.targets, share, judge),
        "reasons": reasons_against(rows),
        "targets": [asdict(target) for target in design.targets],
        "surrogate": {
            "name": study.surrogate or f"fine-tuned from the encoder {study.encoder}",
            "level": LEVEL,
            "labels": {use: uses[use] for use in ("train", "held", "verdict")},
        },
        "verifier": {
            "requested": study.verifier.value,
            "used": judge.name,
            "why": judge.why,
            "offsets": {name: list(pair) for name, pair in judge.offsets.items()},
        },
        "chance": {"alloys": able, "hits": good, "share": share},
        "rounds": described,
        "proposals": rows,
        "elements": _elements(rounds, rows),
        "evaluations": sum(result.claims.search["evaluations"] for result in rounds),
        "seconds": {**seconds, "total": sum(seconds.values())},
        "study": to_mapping(study),
        "versions": versions(),
    }


def reasons_against(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return why nothing of it should be used: all that was verified misses a target."""
    judged = [row["hit"] for row in rows if row["hit"] is not None]
    return ["no alloy that was verified is a hit"] if judged and not any(judged) else []


def sentence(
    rows: Sequence[Mapping[str, Any]], targets: Sequence[Target], share: float | None, judge: Judge
) -> str:
    """Return the outcome in one sentence."""
    wanted = " and ".join(f"{t.energy_ev:+.2f} eV for {t.adsorbate}" for t in targets)
    wanted = wanted.replace("-", "\u2212")
    judged = [row for row in rows if row["hit"] is not None]
    if not judged:
        return f"None of the {len(rows)} alloys designed for {wanted} could be verified."
    hits = sum(row["hit"] for row in judged)
    rate = hits / len(judged)
    who = {True: "DFT"}.get(all(_by_table(row) for row in judged), judge.name)
    text = (
        f"{hits} of {len(judged)} alloys designed for {wanted} are hits by {who}: "
        f"{100 * rate:.0f} %"
    )
    if share:
        text += f", {rate / share:.1f} times chance ({100 * share:.1f} %)"
    left = len(rows) - len(judged)
    return f"{text}." if not left else f"{text}; {left} could not be verified."


def _by_table(row: Mapping[str, Any]) -> bool:
    return all(one["source"] == TABLE for one in row["verdicts"].values())


def _rows(
    study: CatalystSpec, found: CatalystRound, labels: Sequence[Label]
) -> list[dict[str, Any]]:
    """Return the proposals of a round with claims and verdicts."""
    before = [one for one in labels if one.round < found.index]
    trained = Counter(mamun.canonical(one.row.alloy) for one in before)
    rows = []
    pairs = zip(found.claims.proposals, found.verdicts.rows, strict=True)
    for rank, (proposal, verdicts) in enumerate(pairs, start=1):
        claims = {name: _claim(one) for name, one in proposal.claims.items()}
        rows.append(
            {
                "round": found.index,
                "rank": rank,
                "alloy": asdict(proposal.alloy),
                "name": proposal.alloy.name,
                "probability": proposal.hit,
                "hit": is_hit(verdicts, study.design.targets),
                "price_usd_per_mol": alloy_usd_per_mole(proposal.alloy.counts),
                "formation_ev_per_atom": formation_ev_per_atom(proposal.alloy),
                "labels": trained[proposal.alloy],
                "file_index": None,
                "claims": claims,
                "verdicts": {name: _verdict(one, claims[name]) for name, one in verdicts.items()},
            }
        )
    return rows


def _claim(one: Claim) -> dict[str, Any]:
    reach = NORMAL_QUANTILE * one.std_ev
    ends = {"lower_ev": one.energy_ev - reach, "upper_ev": one.energy_ev + reach}
    return {**asdict(one), **ends}


def _verdict(one: Verdict, claim: Mapping[str, Any]) -> dict[str, Any]:
    known = not math.isnan(one.energy_ev)
    within = claim["lower_ev"] <= one.energy_ev <= claim["upper_ev"] if known else None
    return {**asdict(one), "within": within}


def _round(found: CatalystRound, every: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the summary of a round."""
    training, search = found.claims.training, found.claims.search
    rows = [row for row in every if row["round"] == found.index]
    judged = [row for row in rows if row["hit"] is not None]
    hits = sum(row["hit"] for row in judged)
    pairs = [
        (row["claims"][name], verdict)
        for row in rows
        for name, verdict in row["verdicts"].items()
        if verdict["within"] is not None
    ]
    off = [abs(claim["energy_ev"] - verdict["energy_ev"]) for claim, verdict in pairs]
    return {
        "round": found.index,
        "training": training,
        "proposed": len(rows),
        "judged": len(judged),
        "hits": hits,
        "share": hits / len(judged) if judged else None,
        "mae_ev": sum(off) / len(off) if off else None,
        "kept": sum(verdict["within"] for _, verdict in pairs),
        "claims": len(pairs),
        "evaluations": search["evaluations"],
        "real_alloys": search["real_alloys"],
        "trace": search["trace"],
        "seconds": {
            "train": training.get("seconds", 0.0),
            "search": search["seconds"],
            "verify": found.verdicts.seconds,
        },
    }


def _elements(
    rounds: Sequence[CatalystRound], rows: Sequence[Mapping[str, Any]]
) -> dict[str, dict[str, int]]:
    """Return how often each element was looked at, proposed, and part of a hit."""
    requested = Counter[str]()
    for found in rounds:
        requested.update(found.claims.search["elements"])
    predicted = Counter(element for row in rows for element in _of(row))
    good = Counter(element for row in rows if row["hit"] for element in _of(row))
    return {
        e: {"asked": requested[e], "proposed": predicted[e], "hits": good[e]}
        for e in sorted(requested)
    }


def _of(row: Mapping[str, Any]) -> set[str]:
    return {row["alloy"]["a"], row["alloy"]["b"]}


def write_table(path: Path, content: Mapping[str, Any]) -> None:
    """Write ``proposals.csv``: a row for each alloy and adsorbate."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in content["proposals"]:
        for name, claim in row["claims"].items():
            verdict = row["verdicts"][name]
            values = {**row, **row["alloy"], "adsorbate": name, "verified_site": verdict["site"]}
            values |= {f"claimed_{k}": v for k, v in claim.items()}
            values |= {"claimed_site": claim["site"], "verified_ev": verdict["energy_ev"]}
            values |= {k: verdict[k] for k in ("source", "error_ev", "reason", "within")}
            writer.writerow(["" if values[k] is None else values[k] for k in COLUMNS])
    write_text(path, text.getvalue())


COLUMNS: Final = (
    "round",
    "rank",
    "name",
    "prototype",
    "a",
    "b",
    "adsorbate",
    "probability",
    "claimed_energy_ev",
    "claimed_lower_ev",
    "claimed_upper_ev",
    "claimed_site",
    "verified_ev",
    "verified_site",
    "source",
    "error_ev",
    "within",
    "hit",
    "reason",
    "price_usd_per_mol",
    "formation_ev_per_atom",
)


def write_best(path: Path, content: Mapping[str, Any]) -> None:
    """Write the alloys that are shown as structures, adsorbates on their claimed sites."""
    shown = [row for row in content["proposals"] if row["file_index"] is not None]
    shown.sort(key=lambda row: row["file_index"])
    rows = [(row, name) for row in shown for name in row["claims"]]
    if not rows:
        return
    write_structures(
        path,
        [alloy_structure(Alloy(**r["alloy"]), n, r["claims"][n]["site"]) for r, n in rows],
        alloy=[row["name"] for row, _ in rows],
        adsorbate=[name for _, name in rows],
        site=[row["claims"][name]["site"] for row, name in rows],
        claimed_ev=[row["claims"][name]["energy_ev"] for row, name in rows],
        verified_ev=[_number(row["verdicts"][name]["energy_ev"]) for row, name in rows],
    )


def _number(value: float | None) -> Any:
    return "unknown" if value is None else value
