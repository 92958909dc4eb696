"""Put the rows of ``rans-2d`` and a few of its flows where the benchmarks read them.

    python benchmarks/ship_rans.py --rans runs/rans-2d

Rows hold coefficients and wall pressure of every case, and why the others failed.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import pyarrow.compute as pc
from _common import ROOT

from formwright.datasets.corpus import CASE_ID, open_corpus
from formwright.datasets.files import replacing
from formwright.datasets.rans import FLOWS, flow_file

DATA = ROOT / "benchmarks" / "data" / "rans-2d"
FLOWS_SHIPPED = 2
ALPHA_DEG = (3.0, 9.0)


def main() -> None:
    """Copy manifest, rows, and the first flows of test families at moderate incidence."""
    parser = argparse.ArgumentParser(description="Ship the rows and some flows of rans-2d.")
    parser.add_argument("--rans", type=Path, required=True)
    options = parser.parse_args()
    shutil.rmtree(DATA, ignore_errors=True)
    (DATA / FLOWS).mkdir(parents=True)
    shutil.copy(options.rans / "manifest.json", DATA)
    source, copy = open_corpus(options.rans), open_corpus(DATA)
    table = source.read()
    for case in table[CASE_ID].to_pylist():
        copy.write(case, table.filter(pc.equal(table[CASE_ID], case)))
    copy.compact()
    rows = table.select([CASE_ID, "split", "converged", "alpha_deg"]).to_pylist()
    low, high = ALPHA_DEG
    fit = [r for r in rows if r["split"] == "test" and r["converged"]]
    chosen = [r[CASE_ID] for r in fit if low <= r["alpha_deg"] <= high][:FLOWS_SHIPPED]
    for case in chosen:
        with replacing(flow_file(DATA, case)) as temporary:
            shutil.copy(flow_file(options.rans, case), temporary)
    print(f"{len(rows)} rows, {', '.join(chosen)}: {DATA}")


if __name__ == "__main__":
    main()
