"""Candidates in, rows out: energies on sites, the most stable one, free energy, activity.

A row is a flat mapping with one value a column: text, a number, or None.

=============================  ====================================================================
column                         meaning
=============================  ====================================================================
``candidate``                  name
``status``                     ``ranked``, ``left out`` by a filter, or ``failed``
``descriptor_ev``              what activity hangs on (``activity``), with ``_lower``, ``_upper``
``limiting_v``                 limiting potential, V
``overpotential_v``            theoretical overpotential, V, with ``_lower`` and ``_upper``
``site_H``                     the most stable site of an adsorbate, by adsorbate
``e_H_ev``                     adsorption energy there, eV, with ``_lower`` and ``_upper``
``g_H_ev``                     free energy there, eV
``sites``                      how many structures were predicted
``support``                    the farthest of the sites above from what the surrogate learned from:
                               beyond 1 its energy is a guess (``surrogate.uncertainty.support``)
``formation_ev_per_atom``      see ``screening.filters``
``price_usd_per_kg``           of the metals
``elements``                   of the slab
``flag`` ``reason``            what makes the number a guess; why there is none
=============================  ====================================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from formwright.datasets.atoms.mamun import Row
from formwright.datasets.errors import FormwrightError
from formwright.design.screening.activity import activity, adsorbates_of
from formwright.design.screening.config import ScreenConfig
from formwright.design.screening.entries import Entry
from formwright.design.screening.filters import background, ruled_out
from formwright.design.screening.sites import alloy_sites, trials
from formwright.surrogate.atoms.adsorption import COLUMNS, AdsorptionSurrogate
from formwright.surrogate.atoms.alloy_rows import predict_rows
from formwright.surrogate.atoms.checks import trained_adsorbates
from formwright.surrogate.uncertainty.support import SUPPORT, remark

RANKED, LEFT_OUT, FAILED = "ranked", "left out", "failed"
_NUMBERS = (COLUMNS[0], COLUMNS[2], COLUMNS[3])


@dataclass(slots=True)
class _Found:
    """What has been predicted for a candidate, by adsorbate: site, then mean, lower, upper, eV.

    A flag is kept with the site that it is about, and counts where that is the most stable one.
    """

    best: dict[str, tuple[str, float, float, float]] = field(default_factory=dict)
    support: dict[str, float] = field(default_factory=dict)
    flags: dict[str, tuple[str, ...]] = field(default_factory=dict)
    sites: int = 0
    reason: str = ""

    def offer(
        self,
        name: str,
        site: str,
        numbers: Sequence[float],
        flags: tuple[str, ...] = (),
        support: float | None = None,
    ) -> None:
        """Keep the numbers if the site is the most stable one so far."""
        self.sites += 1
        mean, lower, upper = numbers
        if name not in self.best or mean < self.best[name][1]:
            self.best[name] = (site, mean, lower, upper)
            self.flags[name] = flags
            if support is not None:
                self.support[name] = support


def work(entries: Sequence[Entry], config: ScreenConfig) -> list[dict[str, Any]]:
    """Return the row of each candidate, with the surrogate that the configuration names."""
    return rows_of(entries, config, surrogate_of(config.surrogate))


def rows_of(
    entries: Sequence[Entry], config: ScreenConfig, surrogate: AdsorptionSurrogate
) -> list[dict[str, Any]]:
    """Return the row of each candidate, in order; a bad candidate is a row with its reason."""
    names = adsorbates_of(config.process, trained_adsorbates(surrogate))
    rows: list[dict[str, Any]] = [_blank(entry, names) for entry in entries]
    todo = [i for i, entry in enumerate(entries) if _wanted(entry, rows[i], config)]
    found = {i: _Found() for i in todo}
    _predict_alloys(
        {i: entries[i] for i in todo if entries[i].alloy}, names, config, surrogate, found
    )
    for i in todo:
        if not entries[i].alloy:
            _predict_frames(entries[i], names, config, surrogate, found[i])
    done = []
    for i, one in found.items():
        if _settle(rows[i], one, names, config):
            done.append(i)
    _judge([rows[i] for i in done], names, config)
    return rows


@lru_cache(maxsize=1)
def surrogate_of(name: str) -> AdsorptionSurrogate:
    """Return the surrogate, loaded once a process."""
    from formwright.surrogate.zoo import load

    return load(name)


def _blank(entry: Entry, names: Sequence[str]) -> dict[str, Any]:
    """Return the row of a candidate before anything is known."""
    row: dict[str, Any] = {"candidate": entry.name, "index": entry.index, "status": RANKED}
    ends = ("", "_lower", "_upper")
    row |= {f"descriptor_ev{end}": None for end in ends} | {"limiting_v": None}
    row |= {f"overpotential_v{end}": None for end in ends}
    for name in names:
        row |= {f"site_{name}": None} | {f"e_{name}_ev{end}": None for end in ends}
        row[f"g_{name}_ev"] = None
    row |= dict.fromkeys(("sites", "support", "formation_ev_per_atom", "price_usd_per_kg"))
    alloy = entry.alloy
    kind = ("prototype", "a", "b")
    row |= dict(
        zip(kind, (alloy.prototype, alloy.a, alloy.b) if alloy else ("", "", ""), strict=True)
    )
    return row | {"elements": "", "flag": "", "reason": ""}


def _wanted(entry: Entry, row: dict[str, Any], config: ScreenConfig) -> bool:
    """Fill in what is known beforehand; return whether the candidate is to be predicted."""
    try:
        if entry.reason:
            row |= {"status": FAILED, "reason": entry.reason}
            return False
        about = background(entry)
        reason = ruled_out(about, config)
    except FormwrightError as error:
        row |= {"status": FAILED, "reason": str(error)}
        return False
    row["elements"] = " ".join(sorted(about.counts))
    row["price_usd_per_kg"] = _rounded(about.price_usd_per_kg)
    row["formation_ev_per_atom"] = _rounded(about.formation_ev_per_atom)
    if reason:
        row |= {"status": LEFT_OUT, "reason": reason}
    return not reason


def _predict_alloys(
    entries: Mapping[int, Entry],
    names: Sequence[str],
    config: ScreenConfig,
    surrogate: AdsorptionSurrogate,
    found: dict[int, _Found],
) -> None:
    """Predict ordered alloys, all at once."""
    row_of: list[int] = []
    rows: list[Row] = []
    for i, entry in entries.items():
        assert entry.alloy is not None
        try:
            labels = alloy_sites(entry.alloy.prototype, config.sites)
        except FormwrightError as error:
            found[i].reason = str(error)
            continue
        for name in names:
            rows += [Row(entry.alloy, name, label) for label in labels]
            row_of += [i] * len(labels)
    predicted = predict_rows(surrogate, rows)
    numbers = np.stack([predicted.values[name] for name in _NUMBERS], 1).tolist()
    support = predicted.values.get(SUPPORT)
    for k, i in enumerate(row_of):
        if k in predicted.failures:
            found[i].reason = predicted.failures[k]
        else:
            flags = (predicted.flags[k],) if k in predicted.flags else ()
            far = None if support is None else float(support[k])
            found[i].offer(rows[k].adsorbate, rows[k].site, numbers[k], flags, far)


def _predict_frames(
    entry: Entry,
    names: Sequence[str],
    config: ScreenConfig,
    surrogate: AdsorptionSurrogate,
    found: _Found,
) -> None:
    """Predict the structures of a candidate."""
    try:
        some = list(trials(entry.frames, names, config, surrogate))
    except FormwrightError as error:
        found.reason = str(error)
        return
    predicted = surrogate.predict([trial.structure for trial in some])
    numbers = np.stack([predicted[name] for name in _NUMBERS], 1).tolist()
    support = predicted.get(SUPPORT)
    for k, (trial, number) in enumerate(zip(some, numbers, strict=True)):
        far = None if support is None else float(support[k])
        flags = (*trial.flags, remark(far)) if far is not None and far > 1.0 else trial.flags
        found.offer(trial.adsorbate, trial.site, number, flags, far)


def _settle(row: dict[str, Any], found: _Found, names: Sequence[str], config: ScreenConfig) -> bool:
    """Write the energies of a candidate into its row; return whether it can be judged."""
    row["flag"] = "; ".join(dict.fromkeys(flag for some in found.flags.values() for flag in some))
    row["support"] = _rounded(max(found.support.values(), default=None))
    lacking = [name for name in names if name not in found.best]
    reason = found.reason or (f"no energy of {', '.join(lacking)}" if lacking else "")
    if not reason and any(not np.isfinite(numbers[1:]).all() for numbers in found.best.values()):
        reason = "the surrogate found no finite energy"
    if reason:
        row |= {"status": FAILED, "reason": reason}
        return False
    row["sites"] = found.sites
    for name, (site, mean, lower, upper) in found.best.items():
        row[f"site_{name}"] = site
        ends = zip(("", "_lower", "_upper"), (mean, lower, upper), strict=True)
        row |= {f"e_{name}_ev{end}": _rounded(value) for end, value in ends}
        row[f"g_{name}_ev"] = _rounded(mean + config.correction_ev(name))
    outside = "not in the training data" in row["flag"] or (row["support"] or 0.0) > 1.0
    if outside and not config.guesses:
        row |= {"status": LEFT_OUT, "reason": f"a guess: {row['flag']}"}
        return False
    return True


def _judge(rows: Sequence[dict[str, Any]], names: Sequence[str], config: ScreenConfig) -> None:
    """Write descriptor, limiting potential and overpotential into rows."""
    if not rows:
        return
    free = [
        {
            name: np.array([row[f"e_{name}_ev{end}"] for row in rows]) + config.correction_ev(name)
            for name in names
        }
        for end in ("", "_lower", "_upper")
    ]
    found = activity(config.process, *free)
    columns = {"limiting_v": found.limiting_v}
    for k, end in enumerate(("", "_lower", "_upper")):
        columns[f"descriptor_ev{end}"] = found.descriptor_ev[k]
        columns[f"overpotential_v{end}"] = found.overpotential_v[k]
    for name, values in columns.items():
        for row, value in zip(rows, np.round(values, 6).tolist(), strict=True):
            row[name] = value


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 6)
