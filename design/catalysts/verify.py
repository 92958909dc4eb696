"""Verdicts on alloys: DFT where the table has them, else an oracle, else a reason.

An oracle's energies belong to another level of theory. Its adsorption energies are moved by one
offset for each adsorbate, the median difference to labels of the training set, and the scatter of
these differences is its error bar. They judge a proposal, and are never trained on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from formwright.datasets.atoms import mamun
from formwright.datasets.atoms.mamun import Row
from formwright.datasets.errors import ConfigError, MissingSolverError
from formwright.datasets.solvers.ase.oracle import self_test
from formwright.datasets.solvers.ase.solver import AseSolver, adsorption_energies, chgnet
from formwright.design.catalysts.alloys import Proposal, Target
from formwright.design.catalysts.config import Verifier
from formwright.design.catalysts.labels import Label, judged_by_table
from formwright.design.screening.sites import alloy_structure

TABLE: Final = f"Mamun table, {mamun.LEVEL}"
CALIBRATING: Final = 8
"""Labels of an adsorbate that an oracle is compared with."""
_FEWEST: Final = 3
_TRIED: Final = 8
_TO_DEVIATION: Final = 1.4826
_FREE: Final[Mapping[str, float]] = {"H": 0.0, "C": 0.0, "N": 0.0, "O": 0.0, "S": 0.0}


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What is found of one adsorbate on one alloy.

    Attributes:
        energy_ev: At the most stable site by the table, at the claimed site by an oracle; NaN where
            there is a reason.
        site: That site.
        source: Who says so.
        error_ev: Standard error of an oracle after its offset, eV; 0 by the table.
        reason: Empty, or why there is no verdict.
    """

    energy_ev: float
    site: str
    source: str
    error_ev: float = 0.0
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Judge:
    """Who verifies, and why so.

    Attributes:
        table: Whether the table is asked.
        oracle: Asked where the table has nothing; None for nobody.
        why: How it was decided.
        offsets: Of the oracle by adsorbate, filled when first asked: offset and scatter, eV.
    """

    table: bool
    oracle: AseSolver | None
    why: str
    offsets: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Who verifies, in words."""
        names = [TABLE] if self.table else []
        return " and ".join([*names, self.oracle.name] if self.oracle else names)


def choose(requested: Verifier, *, relax: bool = False, oracle: AseSolver | None = None) -> Judge:
    """Return who verifies; an oracle is tested first.

    Args:
        requested: By the study.
        relax: Whether the oracle relaxes.
        oracle: This one in place of CHGNet.

    Raises:
        MissingSolverError: CHGNet is asked for and not installed.
        CheckpointError: The oracle fails its self-test.
    """
    if requested is Verifier.TABLE:
        return Judge(table=True, oracle=None, why="the table was asked for.")
    try:
        solver = oracle or chgnet(relax=relax)
    except MissingSolverError:
        if requested is Verifier.CHGNET:
            raise
        return Judge(table=True, oracle=None, why="no oracle is installed beside the table.")
    if oracle is None:
        self_test(solver)
    if requested is Verifier.CHGNET:
        return Judge(table=False, oracle=solver, why="the oracle was asked for.")
    why = "DFT where the table has the alloy, else the oracle, which passed its self-test."
    return Judge(table=True, oracle=solver, why=why)


def verify(
    judge: Judge, proposals: Sequence[Proposal], targets: Sequence[Target], labels: Sequence[Label]
) -> list[dict[str, Verdict]]:
    """Return the verdicts on each proposal by adsorbate.

    Args:
        judge: Who verifies.
        proposals: What is verified.
        targets: Of which adsorbates.
        labels: That an oracle is calibrated on.
    """
    known = judged_by_table(targets) if judge.table else {}
    result = []
    for proposal in proposals:
        row = {}
        for target in targets:
            name, alloy = target.adsorbate, proposal.alloy
            if alloy in known:
                energy, site = known[alloy][name]
                row[name] = Verdict(energy_ev=energy, site=site, source=TABLE)
            elif judge.oracle is not None:
                row[name] = _of_oracle(judge, judge.oracle, proposal, name, labels)
            else:
                reason = f"the table has no {name} on {alloy.name}, and {judge.why}"
                row[name] = Verdict(energy_ev=math.nan, site="", source="", reason=reason)
        result.append(row)
    return result


def is_hit(verdicts: Mapping[str, Verdict], targets: Sequence[Target]) -> bool | None:
    """Return whether all targets are met by the verdicts; None where one is absent."""
    off = [abs(verdicts[t.adsorbate].energy_ev - t.energy_ev) - t.tolerance_ev for t in targets]
    return None if any(math.isnan(value) for value in off) else all(value < 0 for value in off)


def _of_oracle(
    judge: Judge, oracle: AseSolver, proposal: Proposal, adsorbate: str, labels: Sequence[Label]
) -> Verdict:
    """Return an oracle's verdict at the claimed site."""
    site = proposal.claims[adsorbate].site
    try:
        if adsorbate not in judge.offsets:
            judge.offsets[adsorbate] = _calibrated(oracle, adsorbate, labels)
        offset, error = judge.offsets[adsorbate]
    except ConfigError as problem:
        return Verdict(energy_ev=math.nan, site=site, source=oracle.name, reason=str(problem))
    ((energy, reason),) = _energies(oracle, [Row(proposal.alloy, adsorbate, site)])
    return Verdict(
        energy_ev=energy + offset, site=site, source=oracle.name, error_ev=error, reason=reason
    )


def _calibrated(oracle: AseSolver, adsorbate: str, labels: Sequence[Label]) -> tuple[float, float]:
    """Return offset and scatter of an oracle against labels of an adsorbate, eV."""
    own = [one for one in labels if one.row.adsorbate == adsorbate]
    apart: list[float] = []
    for first in range(0, min(len(own), _TRIED * CALIBRATING), CALIBRATING):
        some = own[first : first + CALIBRATING]
        predicted = _energies(oracle, [one.row for one in some])
        pairs = zip(some, predicted, strict=True)
        apart += [one.energy_ev - e for one, (e, _) in pairs if not math.isnan(e)]
        if len(apart) >= CALIBRATING:
            break
    known = np.array(apart[:CALIBRATING])
    if len(known) < _FEWEST:
        raise ConfigError(
            f"{oracle.name} can be compared with {len(known)} labels of {adsorbate}, and an offset "
            f"takes {_FEWEST}: raise the number of labels."
        )
    offset = float(np.median(known))
    return offset, _TO_DEVIATION * float(np.median(np.abs(known - offset)))


def _energies(oracle: AseSolver, rows: Sequence[Row]) -> list[tuple[float, str]]:
    """Return raw adsorption energies, eV, each with its reason where there is none."""
    slabs = [alloy_structure(row.alloy, row.adsorbate, row.site) for row in rows]
    return [(one.e_ads_ev, one.reason) for one in adsorption_energies(oracle, slabs, _FREE)]
