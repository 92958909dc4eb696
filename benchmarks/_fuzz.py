"""Damaged files of every kind that formwright reads: how they are made, and how they are read."""

from __future__ import annotations

import csv
import json
import multiprocessing
import shutil
import warnings
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import h5py
import meshio
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from ase import Atoms
from ase.build import add_adsorbate, fcc111
from ase.io import write as ase_write
from pyarrow.csv import write_csv
from safetensors.torch import save_file

from formwright.commands.tables.adsorption import AlloyTable
from formwright.commands.tables.field import FieldTable
from formwright.commands.tables.section import SectionTable
from formwright.commands.tables.write import predict_table
from formwright.datasets.airfoils.sections import load_section, write_dat
from formwright.datasets.atoms.files.aselmdb import write_aselmdb
from formwright.datasets.atoms.files.structures import read_structures
from formwright.datasets.atoms.given import read_structure_corpus
from formwright.datasets.corpus import Manifest, open_corpus, start_corpus
from formwright.datasets.errors import FormwrightError
from formwright.datasets.ledger import Ledger
from formwright.datasets.own.importing import import_corpus
from formwright.datasets.own.table import read_table_corpus
from formwright.datasets.pde.given import runs_of
from formwright.datasets.pde.runs import alike_runs
from formwright.datasets.pde.well import open_well
from formwright.datasets.pde.well_write import write_well
from formwright.datasets.rans.airfrans.cases import case_name, read_manifest, write_manifest
from formwright.datasets.rans.airfrans.read import AEROFOIL, INTERNAL, read_case
from formwright.datasets.rans.airfrans.write import write_case
from formwright.datasets.rans.flow_field import load_flow, save_flow
from formwright.datasets.rans.flow_files import read_plane
from formwright.datasets.rans.mesh.cmesh import CMesh
from formwright.datasets.rans.mesh.export import surface, write_surface
from formwright.datasets.vtk.vtp import PolyData, write_vtp
from formwright.design.loop import read_study
from formwright.design.optimise.memory import Memory
from formwright.design.records import read_json
from formwright.design.screening.entries import entries
from formwright.surrogate.checkpoints import load_tensors
from formwright.surrogate.rans.fields.predict import predict_fields
from formwright.surrogate.training.log import TrainingLog
from formwright.surrogate.zoo import load

LIMIT_S: Final = 20.0
PARTS: Final = ("flip", "cut", "swap", "nan", "huge", "deep", "zero", "repeat")
_NUMBERS: Final = (b"nan", b"inf", b"-1e999", b"99999999999999999999", b"1e300", b"-1")
OWN: Final[Mapping[str, Callable[[Path], Any]]] = {
    "table": lambda out: read_table_corpus(out, "train"),
    "runs": lambda out: runs_of(out)[0].values,
    "structures": lambda out: read_structure_corpus(out, "train"),
}
Reader = Callable[[Path], Any]


def mutant(content: bytes, rng: np.random.Generator) -> bytes:
    """Return a damaged copy of a file's content."""
    data, kind = bytearray(content), PARTS[rng.integers(len(PARTS))]
    size = max(len(data), 2)
    at, other = sorted(int(n) for n in rng.integers(0, size, 2))
    width = int(rng.integers(1, max(2, min(size // 4, 256))))
    if kind == "flip":
        for place in rng.integers(0, len(data), rng.integers(1, 6)):
            data[place] ^= 1 << int(rng.integers(8))
    elif kind == "cut":
        del data[at : other if rng.random() < 0.5 else None]
    elif kind == "swap":
        a, b = data[at : at + width], data[other : other + width]
        data[other : other + width], data[at : at + width] = a, b
    elif kind in ("nan", "huge"):
        _put_number(data, at, _NUMBERS[0] if kind == "nan" else rng.choice(_NUMBERS[1:]))
    elif kind == "deep":
        data[at:at] = bytes(rng.choice([b"[", b'{"a":', b"(", b"<a>"])) * 20_000
    elif kind == "zero":
        data[at : at + width] = bytes(len(data[at : at + width]))
    else:
        data[other:other] = data[at : at + width] * int(rng.integers(1, 50))
    return bytes(data)


def _put_number(data: bytearray, at: int, number: bytes) -> None:
    """Replace the next number of a text by another; the next eight bytes of a binary file."""
    digits = b"0123456789.eE+-"
    while at < len(data) and data[at] not in b"0123456789":
        at += 1
    end = at
    while end < len(data) and data[end] in digits:
        end += 1
    text = end - at < 30 and b"\0" not in data[max(0, at - 50) : end + 50]
    double = np.float64(float(number)).tobytes()
    data[at : end if text else at + 8] = number if text else double


def originals(folder: Path) -> Mapping[str, tuple[Path, Reader]]:
    """Write one whole file a reader; return each with how it is read."""
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, tuple[Path, Reader]] = {}
    _sections(folder, found)
    _structures(folder, found)
    _flows(folder, found)
    _records(folder, found)
    _tables(folder, found)
    _airfrans(folder, found)
    _results(folder, found)
    _own(folder, found)
    return found


def _sections(folder: Path, found: dict[str, tuple[Path, Reader]]) -> None:
    section = load_section("naca2412")
    write_dat(folder / "a.dat", section)
    points = section.pos.numpy()
    (folder / "a.txt").write_text("\n".join(f"{x:.6f} {y:.6f}" for x, y in points))
    (folder / "a.csv").write_text("x,y\n" + "\n".join(f"{x:.6f},{y:.6f}" for x, y in points))
    for suffix in (".stl", ".obj", ".vtk"):
        write_surface(folder / f"s{suffix}", section.pos, span=0.5)
    corners, triangles = surface(section.pos, span=0.5)
    write_vtp(folder / "s.vtp", PolyData(points=corners, polygons=tuple(triangles)))
    mesh = meshio.Mesh(corners, [("triangle", triangles.astype(np.int32))])
    meshio.write(folder / "s.ply", mesh, binary=False)
    meshio.vtu.write(folder / "s.vtu", mesh)
    names = ("a.dat", "a.txt", "a.csv", "s.stl", "s.obj", "s.ply", "s.vtk", "s.vtp", "s.vtu")
    found |= {f"section{Path(n).suffix}": (folder / n, load_section) for n in names}


def _structures(folder: Path, found: dict[str, tuple[Path, Reader]]) -> None:
    slab = fcc111("Pt", (2, 2, 3), vacuum=8.0)
    add_adsorbate(slab, "O", 1.2, "fcc")
    slab.info.clear()
    for name in ("m.extxyz", "m.cif", "POSCAR", "m.json", "m.db"):
        ase_write(folder / name, slab)
        found[f"structures {name}"] = (folder / name, read_structures)
    (folder / "m.aselmdb").unlink(missing_ok=True)
    structures = read_structures(folder / "m.extxyz")
    write_aselmdb(folder / "m.aselmdb", structures)
    found["structures m.aselmdb"] = (folder / "m.aselmdb", read_structures)


def _flows(folder: Path, found: dict[str, tuple[Path, Reader]]) -> None:
    write_manifest(folder, {"full_train": ["airFoil2D_SST_92.989_10_0_0_12"]})
    found["AirfRANS manifest"] = (folder / "manifest.json", lambda path: read_manifest(path.parent))
    x, y = np.meshgrid(np.linspace(-2, 2, 12), np.linspace(-2, 2, 12))
    points = np.stack([x.ravel(), y.ravel(), 0.0 * x.ravel()], -1)
    corner = np.arange(144).reshape(12, 12)
    quads = np.stack([corner[:-1, :-1], corner[:-1, 1:], corner[1:, 1:], corner[1:, :-1]], -1)
    count = 121
    cells = {"U": np.ones((count, 3)), "p": np.ones(count), "nut": np.ones(count)}
    mesh = meshio.Mesh(
        points, [("quad", quads.reshape(-1, 4))], cell_data={k: [v] for k, v in cells.items()}
    )
    meshio.vtu.write(folder / "flow.vtu", mesh)
    found["flow .vtu"] = (folder / "flow.vtu", read_plane)
    meshio.vtu.write(folder / "ascii.vtu", mesh, binary=False)
    found["flow .vtu, numbers as text"] = (folder / "ascii.vtu", read_plane)
    values = torch.randn(2, 3, 1, 16, generator=torch.Generator().manual_seed(0))
    runs = alike_runs(
        values=values,
        spacing=(0.1,),
        interval=0.5,
        start=0.0,
        labels={"viscosity": torch.ones(2)},
        names=("u",),
    )
    write_well(folder / "sealed.hdf5", runs, name="a")
    with h5py.File(folder / "sealed.hdf5") as old, h5py.File(folder / "w.hdf5", "w") as new:
        for key in old:
            old.copy(key, new)
        new.attrs.update({key: old.attrs[key] for key in old.attrs if key != "formwright"})
    found["The Well"] = (folder / "w.hdf5", lambda path: open_well(path).read())


def _records(folder: Path, found: dict[str, tuple[Path, Reader]]) -> None:
    study = 'name = "a"\nstart = "naca2412"\n[[points]]\ncl = 0.5\nreynolds = 1e6\n'
    (folder / "study.toml").write_text(study)
    found["study.toml"] = (folder / "study.toml", read_study)
    (folder / "result.json").write_text(json.dumps({"format_version": 2, "points": [1.0, {}]}))
    found["result.json"] = (folder / "result.json", read_json)
    header = json.dumps({"format_version": 1, "kind": "polar", "config": {"width": 3}})
    save_file({"a": torch.ones(40)}, folder / "w.safetensors", metadata={"formwright": header})
    found["weights"] = (folder / "w.safetensors", load_tensors)
    manifest = Manifest(
        name="a", quantities=(), solver="", settings={}, seed=0, licence="", split_rule=""
    )
    corpus = start_corpus(folder / "corpus", manifest)
    rows = pa.table({"case_id": [f"c{i}" for i in range(50)], "v": np.arange(50.0)})
    part = corpus.path / "cases" / "a.parquet"
    pq.write_table(rows, part)
    found["corpus rows"] = (part, lambda path: open_corpus(path.parents[1]).read())
    plain = json.dumps({"format_version": 1, "name": "a", "settings": {"a": [1]}})
    (folder / "corpus" / "manifest.json").write_text(plain)
    whole = folder / "corpus" / "manifest.json"
    found["corpus manifest"] = (whole, lambda path: open_corpus(path.parent))


def _tables(folder: Path, found: dict[str, tuple[Path, Reader]]) -> None:
    sections = "section,alpha_deg,reynolds,ncrit\n" + "".join(
        f"{name},{alpha},{1e6 + 1e5 * alpha:.6g},9\n"
        for name in ("naca2412", '"e387"')
        for alpha in range(4)
    )
    alloys = "prototype,a,b,adsorbate,site\nL12,Pt,Ti,H,hollow|A_A_B|FCC\nA1,Cu,Cu,OH,top|A\n"
    readers = {
        "airfoil-polar": (sections, lambda model, path: SectionTable(model.predict_rows, path)),
        "rans-2d": (sections, lambda model, path: FieldTable(model, path, None, None)),
        "adsorption-mamun": (alloys, lambda model, path: AlloyTable(model)),
    }
    for name, (text, reader) in readers.items():
        path, model = folder / f"{name}.csv", load(name)
        path.write_text(text)
        found[f"table for {name}"] = (path, partial(_predicted, reader, model))


def _predicted(reader: Callable[[Any, Path], Any], model: Any, path: Path) -> list[list[float]]:
    """Return the new numbers of the rows that are said to be predicted."""
    out = path.with_name(f"{path.stem}.out.csv")
    done = predict_table(reader(model, path), path, out)
    with out.open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == done.rows, f"{len(rows)} rows written of {done.rows}"
    kept = [row for i, row in enumerate(rows) if i not in done.failures]
    return [[float(row[name] or "nan") for name in done.numeric] for row in kept]


def _airfrans(folder: Path, found: dict[str, tuple[Path, Reader]]) -> None:
    settings = CMesh(
        cells_side=16,
        cells_wake=4,
        cells_normal=12,
        far_field=20.0,
        even_share=0.05,
        tail_angle=0.4,
    )
    contour = load_section("naca2412").pos
    flow = predict_fields(load("rans-fields"), contour, 4.0, 3e6, settings=settings)
    name = case_name(3e6, 4.0, "2_4_12")
    write_case(folder, name, replace(flow, nut=3.0 * flow.nut))
    for ending in (INTERNAL, AEROFOIL):
        path = folder / name / f"{name}{ending}"
        found[f"AirfRANS {ending[1:]}"] = (path, lambda path: read_case(folder, path.parent.name))
    save_flow(folder / "sealed.npz", flow)
    with np.load(folder / "sealed.npz") as file:
        np.savez(folder / "record.npz", **file)
    found["flow record"] = (folder / "record.npz", load_flow)


def _results(folder: Path, found: dict[str, tuple[Path, Reader]]) -> None:
    """What the tool keeps on the way, and candidates of a screening."""
    lines = [{"key": f"k{i}", "value": {"error": 0.1 * i}} for i in range(30)]
    (folder / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found["results by lines"] = (folder / "a.jsonl", lambda path: Ledger(path).done)
    logged = [{"step": i, "loss": 1.0 / (1 + i)} for i in range(30)]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in logged))
    found["training log"] = (folder / "log.jsonl", _logged)
    memory = Memory(folder / "answers.npy")
    for i in range(8):
        memory.write(np.full(6, 0.1 * i), np.arange(4.0))
    found["answers of a search"] = (folder / "answers.npy", lambda path: Memory(path).known)
    (folder / "c.csv").write_text("prototype,a,b\n" + "L12,Pt,Ti\nA1,Cu,Cu\nL10,Fe,Pt\n" * 4)
    (folder / "f.csv").write_text("formula\n" + "Pt3Ti\nCu\nFePt\n" * 4)
    (folder / "f.txt").write_text("Pt3Ti  # one\nCu\nFePt\n" * 4)
    for name in ("c.csv", "f.csv", "f.txt"):
        found[f"candidates {name}"] = (folder / name, lambda path: list(entries(str(path))))


def _own(folder: Path, found: dict[str, tuple[Path, Reader]]) -> None:
    """Data of one's own, imported and read again."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 40))
    table = pa.table({"group": [f"g{i // 2}" for i in range(40)], "a": a, "b": b, "y": a + b})
    pq.write_table(table, folder / "own.parquet")
    write_csv(table, folder / "own.csv")
    options: Mapping[str, Any] = {"outputs": ("y",), "group": "group"}
    for name in ("own.csv", "own.parquet"):
        found[f"import table {name}"] = (folder / name, partial(_imported, "table", options))
    runs = {"u": rng.normal(size=(16, 16)), "rate": rng.uniform(size=16)}
    np.savez(folder / "own.npz", **runs)
    with h5py.File(folder / "own.hdf5", "w") as file:
        for name, values in runs.items():
            file[name] = values
        file["rate"].attrs["promise"] = "shift"
    options = {"periodic": True}
    for name in ("own.npz", "own.hdf5"):
        found[f"import runs {name}"] = (folder / name, partial(_imported, "runs", options))
    clusters = []
    for i in range(16):
        one = Atoms(f"Cu{2 + i % 4}", rng.uniform(0, 4, size=(2 + i % 4, 3)) + 9.0 * i)
        one.info["energy_total"] = float(rng.normal())
        clusters.append(one)
    ase_write(folder / "own.extxyz", clusters)
    label = {"label": "energy_total"}
    found["import structures own.extxyz"] = (
        folder / "own.extxyz",
        partial(_imported, "structures", label),
    )


def _imported(kind: str, options: Mapping[str, Any], path: Path) -> Any:
    """Return what was imported."""
    out = path.with_suffix(".corpus")
    shutil.rmtree(out, ignore_errors=True)
    import_corpus(kind, path, out, **options)
    return OWN[kind](out)


def _logged(path: Path) -> list[dict[str, Any]]:
    with TrainingLog(path, steps=100, done=99, progress=False) as log:
        return log.history


def outcome(read: Reader, path: Path) -> str:
    """Return how reading went: ``"read"``, ``"refused"``, ``"silent NaN"`` or the traceback's."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = read(path)
    except FormwrightError:
        return "refused"
    except Exception as error:
        return f"traceback {type(error).__name__}: {str(error)[:200]}"
    return "read" if sound(value) else "silent NaN"


def sound(value: Any) -> bool:
    """Return whether all numbers of a value are finite."""
    if isinstance(value, torch.Tensor):
        return not value.is_floating_point() or bool(torch.isfinite(value).all())
    if isinstance(value, np.ndarray):
        return value.dtype.kind != "f" or bool(np.isfinite(value).all())
    if isinstance(value, float):
        return bool(np.isfinite(value))
    if isinstance(value, Mapping):
        return all(map(sound, value.values()))
    if isinstance(value, list | tuple):
        return all(map(sound, value))
    if is_dataclass(value):
        return all(sound(getattr(value, field.name, None)) for field in fields(value))
    if hasattr(value, "to_dict") and hasattr(value, "pos"):
        return sound(value.to_dict())
    return True


def _work(
    pipe: Connection, whole: bytes, path: Path, read: Reader, seed: int, first: int, last: int
) -> None:
    """Read mutants, and say of each how it went; for a process of its own."""
    for number in range(first, last):
        path.write_bytes(mutant(whole, np.random.default_rng([seed, number])))
        pipe.send(outcome(read, path))


def fuzz(path: Path, read: Reader, count: int, seed: int = 0) -> dict[int, str]:
    """Return how each mutant of a file went, a hang and a dead process among them."""
    found: dict[int, str] = {}
    whole = path.read_bytes()
    context = multiprocessing.get_context("fork")
    while len(found) < count:
        here, there = context.Pipe(duplex=False)
        process = context.Process(
            target=_work, args=(there, whole, path, read, seed, len(found), count), daemon=True
        )
        process.start()
        there.close()
        try:
            _collect(here, found, count)
        finally:
            process.kill()
            process.join()
    path.write_bytes(whole)
    return found


def _collect(pipe: Connection, found: dict[int, str], count: int) -> None:
    """Note what a worker says until it is done, hangs or dies."""
    while len(found) < count:
        if not pipe.poll(LIMIT_S):
            found[len(found)] = "hang"
            return
        try:
            found[len(found)] = pipe.recv()
        except EOFError:
            found[len(found)] = "dead process"
            return
