"""Bring polars from elsewhere into the corpus format: a table of blends, or an older corpus.

    python benchmarks/polar_import.py blends.npz OUT
    python benchmarks/polar_import.py OLD_CORPUS OUT

Families and splits are those of the shipped database, whatever the source says: a section whose
parents lie in different splits gets the split ``none``. Points of the table that cannot be right
(``datasets/solvers/xfoil/polar_checks.py``) stay as rows without labels, with the reason.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from formwright.datasets.airfoils.polars import LICENCE, SPLIT_RULE
from formwright.datasets.airfoils.sections import database
from formwright.datasets.cases import CONDITIONS
from formwright.datasets.corpus import Manifest, open_corpus, start_corpus
from formwright.datasets.solvers.result import POLAR_FIELDS, POLAR_LABELS
from formwright.datasets.solvers.xfoil import solver as xfoil
from formwright.datasets.solvers.xfoil.polar_checks import false_convergence

LABELS = tuple(label.name for label in POLAR_LABELS)
NO_SPLIT = "none"


def split_of_parents(parents: tuple[str, ...]) -> tuple[list[str], str]:
    """Return the families of the parents, and the split that they share or ``none``."""
    sections = database()
    splits = {sections.split(name) if name in sections else NO_SPLIT for name in parents}
    families = [sections.family(name) if name in sections else "unknown" for name in parents]
    return families, splits.pop() if len(splits) == 1 else NO_SPLIT


def from_blends(path: Path) -> tuple[pa.Table, dict[str, Any]]:
    """Return the rows of a table of blends (arrays rows, kulfan, parent_a, parent_b, ...)."""
    with np.load(path, allow_pickle=False) as file:
        data = {name: file[name] for name in file.files}
    column = {name: data["rows"][:, i].astype(float) for i, name in enumerate(data["columns"])}
    section = column["section"].astype(int)
    vectors = cst_vectors(data["kulfan"].astype(float), [str(c) for c in data["kulfan_columns"]])
    reasons = sweep_reasons(column, section)
    sections = [blend_entry(data, i) for i in range(len(vectors))]
    good = np.array([not reason for reason in reasons])
    columns: dict[str, Any] = {
        name: pa.array([sections[i][name] for i in section]) for name in sections[0]
    }
    flat = pa.array(vectors[section].reshape(-1))
    columns["cst"] = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    column["mach"] = np.zeros(len(section))
    columns |= {c.name: pa.array(column[c.name]) for c in CONDITIONS}
    columns |= {name: pa.array(column[name], mask=~good) for name in LABELS}
    columns |= {"converged": pa.array(good), "reason": pa.array(reasons)}
    empty = pa.nulls(len(section), pa.list_(pa.float32(), 32))
    columns |= {field.name: empty for field in POLAR_FIELDS}
    return pa.table(columns), {"source": path.name}


def cst_vectors(kulfan: np.ndarray, names: list[str]) -> np.ndarray:
    """Return CST vectors in this package's order: lower, upper, leading edge, trailing edge."""
    order = [f"lower_{i}" for i in range(8)] + [f"upper_{i}" for i in range(8)]
    return kulfan[:, [names.index(n) for n in [*order, "leading_edge_weight", "te_thickness"]]]


def blend_entry(data: dict[str, np.ndarray], i: int) -> dict[str, Any]:
    """Return what the corpus says of section ``i`` of a table of blends."""
    a, b, weight = str(data["parent_a"][i]), str(data["parent_b"][i]), float(data["weight_a"][i])
    parents = (a,) if a == b or weight == 1.0 else (a, b)
    families, split = split_of_parents(parents)
    return {
        "case_id": f"import-{i:06d}",
        "section": "+".join(parents),
        "split": split,
        "parents": list(parents),
        "families": families,
        "blend": [weight, 1.0 - weight][: len(parents)],
        "noise": bool(data["noise"][i]),
    }


def sweep_reasons(column: dict[str, np.ndarray], section: np.ndarray) -> list[str]:
    """Return why points are false, sweep by sweep."""
    keys = np.stack([section, column["reynolds"], column["ncrit"]], 1)
    _, sweep = np.unique(keys, axis=0, return_inverse=True)
    order = np.argsort(sweep.reshape(-1), kind="stable")
    reasons = [""] * len(section)
    for index in np.split(order, np.flatnonzero(np.diff(sweep.reshape(-1)[order])) + 1):
        found = false_convergence(
            reynolds=float(column["reynolds"][index[0]]),
            **{n: column[n][index] for n in ("alpha_deg", "cl", "cd", "xtr_top", "xtr_bottom")},
        )
        for i, reason in zip(index, found, strict=True):
            reasons[i] = reason
    return reasons


def from_corpus(path: Path) -> tuple[pa.Table, dict[str, Any]]:
    """Return the rows of a corpus with families and splits of the present database."""
    corpus = open_corpus(path)
    rows = corpus.read()
    known = [split_of_parents(tuple(parents)) for parents in rows["parents"].to_pylist()]
    for name, values in (("families", [k[0] for k in known]), ("split", [k[1] for k in known])):
        at = rows.column_names.index(name)
        rows = rows.set_column(at, name, pa.array(values, rows.schema.field(name).type))
    return rows, dict(corpus.manifest["settings"])


def main(source: Path, out: Path) -> None:
    """Write the corpus, and print what became of the points."""
    rows, settings = from_blends(source) if source.suffix == ".npz" else from_corpus(source)
    manifest = Manifest(
        name="polars",
        quantities=CONDITIONS + POLAR_LABELS + POLAR_FIELDS,
        solver=xfoil.NAME,
        settings=settings,
        seed=int(settings.get("seed", 0)),
        licence=LICENCE,
        split_rule=SPLIT_RULE,
    )
    corpus = start_corpus(out, manifest)
    corpus.write("import", rows)
    corpus.compact()
    print(dict(Counter(rows["split"].to_pylist())), "points by split")
    kinds = Counter(
        reason.split(" ")[2] for reason in rows["reason"].to_pylist() if "false" in reason
    )
    print(dict(kinds), "false by quantity, of", rows.num_rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
