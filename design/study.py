"""The verified loop on disk: a study is read from TOML, optimised, verified, recorded and reported.

A study's folder
----------------
``study.toml`` (as run), ``result.json``, ``polars.json``, ``start.dat``, ``best.dat``,
``labels.jsonl`` (what the solver was asked on the way: future training data), ``progress.json``
(how far an interrupted run came) and ``report.html``. No file holds NaN: an absent number is
``null``. A *claim* is the surrogate's, a *verdict* the solver's.

``result.json``::

    format_version   1
    name             str
    verdict          str, one sentence: objective at the start and at the end, who verified it
    surrogate        {name, labels: {label: unit}, level}       level: coverage of the intervals
    solver           {requested, name, version, why, settings}  why: how "auto" was decided
    start, best      {section, file, parameters: {name: value}, geometry: {max_thickness, ...}}
    points           one entry an operating point:
      {target_cl | null, reynolds, ncrit, mach, weight,
       start, best: {claimed:  {alpha_deg, labels: {label: {mean, std, lower, upper}}},
                     verified: {converged, reason, alpha_deg, labels: {label: number | null},
                                dropped, within: {label: bool}}}}
                     dropped: sweep points left out as false; within: verdict inside the interval
    objective        {kind, lower_is_better: true,
                      start, best: {claimed, verified: number | null}}
    constraints      one entry a constraint:
      {name, lower, upper: number | [number, ...] | null,
       start, best: {claimed: [number | null, ...], verified: [number | null, ...],
                     satisfied: bool (claimed), violation: number (claimed, in its own unit),
                     verified_satisfied: bool | null}}
                     verified: the same function of the solver's labels; null where it cannot be
    optimisation     {method: {kind, ...}, seed, success, message, iterations, evaluations,
                      seconds, starts: [{objective, violation, success, message, iterations}, ...],
                      history: [{round, start, iteration, objective, violation}, ...]}
                     start -1: all starts of a batched method at once (objective of the best)
    rounds           [{round, claimed, verified, feasible, offsets: {label: [number, ...]}}, ...]
                     offsets: the correction of the surrogate that this round was optimised with
    study            the study itself, as a mapping (what study.toml says, defaults filled in)
    seconds          {optimise, verify, total}
    versions         {formwright, torch, numpy, scipy, python, solver}
    started, finished   ISO 8601, UTC

``polars.json``::

    format_version   1
    stations         [x/c, ...], where the pressures are given
    sections         {start, best: {name, pos: [[x, y], ...]}}   upper trailing edge first
    start, best      one entry an operating point, in the order of ``points`` above:
      {reynolds, ncrit, mach,
       claimed:  {alpha_deg: [...], label: [...], label + "_lower": [...], label + "_upper": [...]},
       verified: {alpha_deg: [...], label: [number | null, ...], converged: [bool, ...],
                  used: [bool, ...], reason: [str, ...]},
       cp: {claimed, verified: {alpha_deg, top: [...], bottom: [...]} | null}}
                 used: converged and not dropped as false; cp: at the design's operating point
"""
