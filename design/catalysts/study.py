"""The study of a catalyst: labels -> surrogate -> alloys by gradient -> DFT, again.

``formwright.design.loop`` runs it and has what all studies write; ``labels.jsonl`` holds what is
known at the end: drawn, held back, verdicts. Beside that, this kind writes ``proposals.csv`` and
``best.extxyz`` (the best alloys, each adsorbate on its claimed site, not relaxed). A verdict is by
DFT or by an oracle.

``result.json``::

    format_version   1
    kind             "catalyst"
    name             str
    verdict          str, one sentence: hits among the proposals, by whom, against chance
    reasons          [str, ...] why nothing of it should be used; empty where all is well
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
       price_usd_per_mol, formation_ev_per_atom: number | null,
       labels: how many of this alloy (other adsorbates) trained,
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

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from formwright.datasets.solvers.ase.solver import AseSolver
from formwright.design.catalysts.alloys import price_constraint
from formwright.design.catalysts.config import CatalystSpec
from formwright.design.catalysts.labels import (
    drawn,
    labelled_alloys,
    shipped_labels,
    shipped_rows,
)
from formwright.design.catalysts.results import reasons_against
from formwright.design.catalysts.rounds import CatalystWork, could_be, untrained
from formwright.design.catalysts.verify import choose
from formwright.design.loop import Summary, Tell
from formwright.surrogate.atoms.adsorption import LABEL, AdsorptionSurrogate
from formwright.surrogate.model import need_labels
from formwright.surrogate.zoo import load


@dataclass(frozen=True, kw_only=True, slots=True)
class CatalystStudy(CatalystSpec):
    """A search for alloys that ``formwright.design.loop.run`` runs; its rounds learn from verdicts.

    Its keys are those of ``CatalystSpec``.

    Example:
        >>> import formwright
        >>> target = formwright.Target(adsorbate="H", energy_ev=-0.24, tolerance_ev=0.1)
        >>> study = formwright.CatalystStudy(design=formwright.AlloyDesign(targets=(target,)))
        >>> study.rounds >= 1
        True
    """

    place: ClassVar[str] = "round-{}"
    written: ClassVar[tuple[str, ...]] = ("proposals.csv", "best.extxyz")
    reads: ClassVar[tuple[str, ...]] = ("encoder", "surrogate")

    def begin(
        self,
        *,
        surrogate: AdsorptionSurrogate | None = None,
        oracle: AseSolver | None = None,
        tell: Tell = lambda what, share: None,
        progress: bool = True,
    ) -> CatalystWork:
        """Load, draw, test and check.

        Args:
            surrogate: Use this one, untrained here, instead of ``surrogate``.
            oracle: Use this one instead of CHGNet; it is not tested.
            tell: Told what the search does, and which share of it is done.
            progress: Show a bar of the training where standard error is a terminal.

        Raises:
            ConfigError: The surrogate is not of adsorption energies, a price is not known, or
                nothing is left to propose.
            UnknownNameError: There is no such encoder or surrogate.
            MissingSolverError: The oracle asked for is not installed.
        """
        targets, design = self.design.targets, self.search(1)
        given = surrogate or (None if self.surrogate is None else _loaded(self.surrogate))
        first = () if given else tuple(drawn(self.labels, self.held_share, self.seed))
        begun = shipped_labels(targets) if given else labelled_alloys(first, targets)
        judge = choose(self.verifier, relax=self.relax, oracle=oracle)
        could_be(design, begun, judge)
        for prototype in design.prototypes:
            price_constraint(design, prototype)
        return CatalystWork(
            study=self,
            begins=given or untrained(self),
            first=first,
            compared=first or tuple(shipped_rows(targets, self.seed)),
            begun=frozenset(begun),
            judge=judge,
            tell=tell,
            progress=progress,
        )

    def summary(self, result: Mapping[str, Any]) -> Summary:
        """Return the hits to be expected, the hits found, and the alloys that were judged."""
        rows = result["proposals"]
        judged = [row["hit"] for row in rows if row["hit"] is not None]
        return Summary(
            claimed=float(sum(row["probability"] for row in rows)),
            verified=float(sum(judged)) if len(judged) == len(rows) else None,
            judged=(len(judged), len(rows)),
            reasons=tuple(reasons_against(rows)),
        )

    @staticmethod
    def report(folder: Path) -> Path:
        """Write ``report.html`` from ``result.json`` and ``best.extxyz``, and return its path."""
        from formwright.design.catalysts.report import write_report

        return write_report(folder)


STUDY: Final = CatalystStudy


def _loaded(name: str) -> AdsorptionSurrogate:
    """Return a surrogate of adsorption energies."""
    surrogate = load(name)
    needed = (
        'a study of a catalyst needs: set surrogate = "adsorption-mamun" or a folder that '
        "fit adsorption wrote"
    )
    need_labels(surrogate, (LABEL,), name, needed)
    return surrogate
