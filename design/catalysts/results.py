"""What ``result.json``, ``proposals.csv`` and ``best.extxyz`` of a study of catalysts hold.

The layout is written down in ``formwright.design.catalysts.study``.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from formwright.datasets.atoms import mamun
from formwright.datasets.atoms.files.structures import write_structures
from formwright.datasets.atoms.mamun import Alloy
from formwright.datasets.atoms.prices import alloy_usd_per_mole
from formwright.datasets.config import to_mapping
from formwright.datasets.files import write_text
from formwright.design.catalysts.alloys import Claim, Target
from formwright.design.catalysts.config import CatalystStudy
from formwright.design.catalysts.labels import Label, chance
from formwright.design.catalysts.rounds import Round
from formwright.design.catalysts.verify import TABLE, Judge, Verdict
from formwright.design.records import CATALYST_FORMAT
from formwright.design.screening.sites import alloy_structure
from formwright.design.study_folder import versions
from formwright.surrogate.atoms.adsorption import LEVEL
from formwright.surrogate.uncertainty.conformal import NORMAL_QUANTILE

SHOWN: Final = 12
"""Alloys that are written as structures."""


def result(
    study: CatalystStudy,
    rounds: Sequence[Round],
    labels: Sequence[Label],
    begun: Collection[Alloy],
    judge: Judge,
    times: Mapping[str, str],
) -> dict[str, Any]:
    """Return ``result.json`` as a mapping.

    Args:
        study: What was asked.
        rounds: What was found.
        labels: All that are known at the end.
        begun: Alloys whose energies were known at the start.
        judge: Who verified.
        times: Started and finished.
    """
    design = study.search(1)
    able, good = chance(design, begun)
    share = good / able if able else None
    rows = [row for found in rounds for row in _rows(study, found, labels)]
    for place, row in enumerate(best(rows)):
        row["file_index"] = place * len(design.targets)
    uses = Counter(one.use for one in labels)
    described = [_round(study, found, rows) for found in rounds]
    seconds = {name: sum(r["seconds"][name] for r in described) for name in described[0]["seconds"]}
    return {
        "format_version": CATALYST_FORMAT,
        "kind": study.kind,
        "name": study.name,
        "verdict": sentence(rows, design.targets, share, judge),
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
        "evaluations": sum(found.search["evaluations"] for found in rounds),
        "seconds": {**seconds, "total": sum(seconds.values())},
        "study": to_mapping(study),
        "versions": versions(),
        **times,
    }


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


def _rows(study: CatalystStudy, found: Round, labels: Sequence[Label]) -> list[dict[str, Any]]:
    """Return the proposals of a round with claims and verdicts."""
    before = [one for one in labels if one.round < found.index]
    trained = Counter(mamun.canonical(one.row.alloy) for one in before)
    rows = []
    hits = found.hits(study.design)
    for rank, (proposal, verdicts, hit) in enumerate(
        zip(found.proposals, found.verdicts, hits, strict=True), start=1
    ):
        claims = {name: _claim(one) for name, one in proposal.claims.items()}
        rows.append(
            {
                "round": found.index,
                "rank": rank,
                "alloy": asdict(proposal.alloy),
                "name": proposal.alloy.name,
                "probability": proposal.hit,
                "hit": hit,
                "price_usd_per_mol": alloy_usd_per_mole(proposal.alloy.counts),
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


def _round(
    study: CatalystStudy, found: Round, every: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the summary of a round."""
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
        "training": found.training,
        "proposed": len(rows),
        "judged": len(judged),
        "hits": hits,
        "share": hits / len(judged) if judged else None,
        "mae_ev": sum(off) / len(off) if off else None,
        "kept": sum(verdict["within"] for _, verdict in pairs),
        "claims": len(pairs),
        "evaluations": found.search["evaluations"],
        "real_alloys": found.search["real_alloys"],
        "trace": found.search["trace"],
        "seconds": {
            "train": found.training.get("seconds", 0.0),
            "search": found.search["seconds"],
            "verify": found.seconds,
        },
    }


def _elements(
    rounds: Sequence[Round], rows: Sequence[Mapping[str, Any]]
) -> dict[str, dict[str, int]]:
    """Return how often each element was looked at, proposed, and part of a hit."""
    asked = Counter[str]()
    for found in rounds:
        asked.update(found.search["elements"])
    said = Counter(element for row in rows for element in _of(row))
    good = Counter(element for row in rows if row["hit"] for element in _of(row))
    return {e: {"asked": asked[e], "proposed": said[e], "hits": good[e]} for e in sorted(asked)}


def _of(row: Mapping[str, Any]) -> set[str]:
    return {row["alloy"]["a"], row["alloy"]["b"]}


def best(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows that are shown: hits first, then unverified, then others; likely first."""
    order = {True: 0, None: 1, False: 2}
    return sorted(rows, key=lambda row: (order[row["hit"]], -row["probability"]))[:SHOWN]


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
