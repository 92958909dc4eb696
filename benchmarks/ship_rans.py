"""Put the rows of the RANS corpora, walls and a few flows where the benchmarks read them.

    python benchmarks/ship_rans.py --rans runs/rans-2d --coarse runs/rans-coarse

Rows hold coefficients and wall pressure of every case, and why the others failed.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import pyarrow.compute as pc
from _common import DATA
from _walls import WALLS, save_walls, wall_case

from formwright.datasets.corpus import CASE_ID, Corpus, open_corpus
from formwright.datasets.files import replacing
from formwright.datasets.rans.corpus import FLOWS, flow_file
from formwright.datasets.rans.flow_field import load_flow

FLOWS_SHIPPED = 2
ALPHA_DEG = (3.0, 9.0)


def ship_rows(source: Corpus, folder: Path) -> None:
    """Copy manifest and rows of a corpus."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copy(source.path / "manifest.json", folder)
    table, copy = source.read(), open_corpus(folder)
    for case in table[CASE_ID].to_pylist():
        copy.write(case, table.filter(pc.equal(table[CASE_ID], case)))
    copy.compact()
    print(f"{table.num_rows} rows: {folder}")


def ship_flows(source: Corpus, folder: Path) -> None:
    """Copy the first flows of test families at moderate incidence."""
    rows = source.read([CASE_ID, "split", "converged", "alpha_deg"]).to_pylist()
    low, high = ALPHA_DEG
    fit = [r for r in rows if r["split"] == "test" and r["converged"]]
    chosen = [r[CASE_ID] for r in fit if low <= r["alpha_deg"] <= high][:FLOWS_SHIPPED]
    (folder / FLOWS).mkdir(parents=True)
    for case in chosen:
        with replacing(flow_file(folder, case)) as temporary:
            shutil.copy(flow_file(source.path, case), temporary)
    print(f"{', '.join(chosen)}: {folder / FLOWS}")


def ship_walls(source: Corpus, path: Path = WALLS) -> None:
    """Write the walls of the test cases whose record is there."""
    rows = source.read([CASE_ID, "split", "converged"]).to_pylist()
    cases = sorted(r[CASE_ID] for r in rows if r["split"] == "test" and r["converged"])
    files = {case: flow_file(source.path, case) for case in cases}
    walls = [wall_case(case, load_flow(file)) for case, file in files.items() if file.exists()]
    save_walls(path, walls)
    print(f"{len(walls)} walls: {path}")


def main() -> None:
    """Ship what is given."""
    parser = argparse.ArgumentParser(description="Ship rows, walls and some flows.")
    parser.add_argument("--rans", type=Path, help="rans-2d: rows, two flows, walls")
    parser.add_argument("--coarse", type=Path, help="the coarse corpus: rows")
    options = parser.parse_args()
    if options.rans:
        source = open_corpus(options.rans)
        ship_rows(source, DATA / "rans-2d")
        ship_flows(source, DATA / "rans-2d")
        ship_walls(source)
    if options.coarse:
        ship_rows(open_corpus(options.coarse), DATA / "rans-coarse")


if __name__ == "__main__":
    main()
