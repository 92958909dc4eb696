"""Is a corpus's damage noticed? One flipped bit anywhere in its files, again and again.

Small corpora of every form are made: polars of the panel method, rows and records of RANS cases
(drawn numbers stand for the solver's), flows and fields of the panel method, runs of Burgers'
equation. A bit of one file is flipped and the corpus is read as training reads it. Noticed is an
error of formwright's that names the file.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from _common import Benchmark, save, tell

from formwright.datasets.airfoils.polars import PolarCorpus
from formwright.datasets.airfoils.polars import generate as generate_polars
from formwright.datasets.corpus import open_corpus, start_corpus
from formwright.datasets.errors import FormwrightError
from formwright.datasets.pde.corpus import WaveCorpus, generate_waves, open_waves
from formwright.datasets.rans.cases import RansCorpus, draw
from formwright.datasets.rans.corpus import FLOWS, case_id, flow_file, manifest, row
from formwright.datasets.rans.flow_field import FlowField, Wall, load_flow, save_flow
from formwright.datasets.rans.rows import PARTS
from formwright.datasets.solvers.panel.solver import Panel
from formwright.surrogate.airfoils.flow_corpus import FlowCorpus, generate_flows, read_flows
from formwright.surrogate.rans.fields.panel_field_corpus import (
    PanelFieldCorpus,
    generate_panel_fields,
    read_panel_fields,
)

FLIPS: Final = 200
SMALL: Final = 3
Reader = Callable[[Path], Any]


def main() -> None:
    """Make, flip, read, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    torch.set_num_threads(1)
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as temporary:
        readers = made(Path(temporary))
        files = [
            (name, path)
            for name in readers
            for path in sorted((Path(temporary) / name).rglob("*"))
            if path.is_file()
        ]
        for name, read in readers.items():
            read(Path(temporary) / name)
        missed, asked = [], dict.fromkeys(readers, 0)
        for number in range(FLIPS):
            name, path = files[number % len(files)]
            asked[name] += 1
            bit = int(rng.integers(8 * path.stat().st_size))
            with flipped(path, bit):
                if not noticed(readers[name], Path(temporary) / name, path):
                    missed.append(f"{name}/{path.name}, bit {bit}")
    tell("missed", missed)
    save(
        Benchmark(
            name="corpus-bitflip",
            claim=f"Of {FLIPS} single flipped bits at random places of the files of a corpus, "
            f"{FLIPS - len(missed)} are noticed when it is read, by an error that names the file.",
            value=float(FLIPS - len(missed)),
            unit=f"of {FLIPS} flipped bits",
            better="higher",
            bars={"bar": float(FLIPS)},
            peers={},
            seeds=[seed],
            split=", ".join(f"{count} in {name}" for name, count in asked.items()),
            notes=f"{len(files)} files in turn, the bit of each drawn uniformly.",
            details={"missed": missed, "files": len(files)},
        )
    )


def made(folder: Path) -> Mapping[str, Reader]:
    """Make the corpora, one folder each; return how each is read."""
    with ThreadPoolExecutor(1) as executor:
        polars = PolarCorpus(sections=SMALL, sweeps=1, incidences=4, solver=Panel())
        generate_polars(polars, folder / "polars", executor=executor, workers=1, progress=False)
    _rans(folder / "rans")
    for _ in generate_flows(FlowCorpus(sections=SMALL), folder / "flows"):
        pass
    for _ in generate_panel_fields(PanelFieldCorpus(sections=SMALL), folder / "panel-fields"):
        pass
    for _ in generate_waves(WaveCorpus(runs=8), folder / "waves"):
        pass
    return {
        "polars": lambda path: open_corpus(path).read(),
        "rans": _read_rans,
        "flows": read_flows,
        "panel-fields": read_panel_fields,
        "waves": lambda path: open_waves(path).read(),
    }


def _rans(folder: Path) -> None:
    """Write rows and records as a run of the solver does."""
    config = RansCorpus(cases=SMALL)
    corpus = start_corpus(folder, manifest(config))
    for index in range(SMALL):
        drawn, name = draw(config, index), case_id(config, index)
        flow = _flow(drawn.alpha_deg, drawn.reynolds)
        save_flow(flow_file(folder, name), flow)
        corpus.write(name, row(config, index, drawn, "", flow))
        if index == 1:
            corpus.compact()


def _flow(alpha_deg: float, reynolds: float, cells: int = 400) -> FlowField:
    """Return numbers in the form of a record."""
    angle = np.linspace(0.05, 2.0 * np.pi - 0.05, 40)
    normals = np.stack([np.cos(angle), np.sin(angle)], -1)
    rng = np.random.default_rng(int(reynolds))
    return FlowField(
        points=rng.normal(size=(cells, 2)),
        quads=rng.integers(0, cells, (cells, 4)),
        velocity=rng.normal(size=(cells, 2)).astype(np.float32),
        pressure=rng.normal(size=cells).astype(np.float32),
        nut=rng.random(cells).astype(np.float32),
        wall=Wall(
            centres=0.5 + 0.5 * normals,
            normals=normals,
            lengths=np.full(40, 0.08),
            cp=np.cos(angle),
            cf=np.zeros((40, 2)),
            y_plus=np.full(40, 0.5),
            cells=np.arange(40),
        ),
        alpha_deg=alpha_deg,
        reynolds=reynolds,
        forces=dict.fromkeys(("cl", "cd", "cm", *PARTS), 0.1),
        iterations=300,
        residuals=np.zeros((2, 5), np.float32),
        quality={"cells": float(cells)},
    )


def _read_rans(folder: Path) -> None:
    """Read rows and records."""
    open_corpus(folder).read()
    for path in sorted((folder / FLOWS).iterdir()):
        load_flow(path)


@contextmanager
def flipped(path: Path, bit: int) -> Iterator[None]:
    """Flip a bit of a file; put it back afterwards."""
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[bit // 8] ^= 1 << bit % 8
    path.write_bytes(damaged)
    try:
        yield
    finally:
        path.write_bytes(whole)


def noticed(read: Reader, folder: Path, path: Path) -> bool:
    """Return whether reading a corpus fails with an error that names a file."""
    try:
        read(folder)
    except FormwrightError as error:
        return path.name in str(error)
    return False


if __name__ == "__main__":
    main()
