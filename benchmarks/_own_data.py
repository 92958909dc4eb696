"""Data sets of the kind that people bring, made here: a table, runs, signals, structures."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def make_table(path: Path, rows: int = 360, seed: int = 0) -> None:
    """Write a CSV: 7 numbers and a choice in, three outputs with noise, groups of four rows."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(size=(rows, 7))
    kind = rng.choice(["steel", "wood"], rows)
    stiff = np.where(kind == "steel", 1.0, 0.4)
    bend = stiff * np.sin(3.0 * x[:, 0]) + x[:, 1] * x[:, 2] + 0.3 * x[:, 3] ** 2
    load = np.exp(x[:, 4] + stiff * x[:, 5])
    heat = x[:, 5] - x[:, 6] * x[:, 0]
    noise = 0.01 * rng.normal(size=(3, rows))
    names = [f"x{i}" for i in range(7)]
    lines = [",".join([*names, "material", "part", "bend", "load", "heat"])]
    for i in range(rows):
        out = (bend[i] + noise[0, i], load[i] + noise[1, i], heat[i] + noise[2, i])
        cells = [*(f"{v:.6f}" for v in x[i]), kind[i], f"p{i // 4}", *(f"{v:.6f}" for v in out)]
        lines.append(",".join(cells))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def make_gray_scott(path: Path, runs: int = 80, points: int = 32, seed: int = 0) -> None:
    """Write Gray-Scott runs in The Well's layout, as another program would."""
    import h5py

    rng = np.random.default_rng(seed)
    feed, kill = rng.uniform(0.03, 0.06, runs), rng.uniform(0.058, 0.064, runs)
    a = np.ones((runs, points, points))
    b = np.zeros_like(a)
    for run in range(runs):
        for _ in range(4):
            i, j = rng.integers(0, points - 6, 2)
            b[run, i : i + 6, j : j + 6] = 0.5
    frames, f, k = [], feed[:, None, None], kill[:, None, None]
    for step in range(1200):
        if step >= 240 and step % 80 == 0:
            frames.append(np.stack([a, b], -1))
        react = a * b * b
        a = a + 0.16 * _spread(a) - react + f * (1.0 - a)
        b = b + 0.08 * _spread(b) + react - (f + k) * b
    values = np.stack(frames, 1).astype(np.float32)
    with h5py.File(path, "w") as file:
        file.attrs.update(dataset_name="gray_scott", grid_type="cartesian")
        file.attrs.update(n_spatial_dims=2, n_trajectories=runs)
        dimensions = file.create_group("dimensions")
        dimensions.attrs["spatial_dims"] = ["x", "y"]
        dimensions["time"] = 80.0 * np.arange(values.shape[1])
        for axis in ("x", "y"):
            dimensions[axis] = np.arange(points, dtype=float)
        for axis in ("x", "y"):
            boundary = file.create_group(f"boundary_conditions/{axis}")
            boundary.attrs.update(associated_dims=[axis], bc_type="PERIODIC")
        scalars = file.create_group("scalars")
        for name, value in (("feed", feed), ("kill", kill)):
            scalars[name] = value
            scalars[name].attrs.update(sample_varying=True, time_varying=False)
        fields = file.create_group("t0_fields")
        for channel, name in enumerate("AB"):
            fields[name] = values[..., channel]


def _spread(field: np.ndarray) -> np.ndarray:
    """Return the Laplacian on a ring of rings."""
    around = (np.roll(field, s, axis) for s in (-1, 1) for axis in (1, 2))
    return sum(around) - 4.0 * field


def make_signals(path: Path, count: int = 400, points: int = 128, seed: int = 0) -> None:
    """Write signals: a pulse of some width anywhere on a ring, under waves and noise."""
    rng = np.random.default_rng(seed)
    x = np.arange(points) / points
    width, place = rng.uniform(0.02, 0.12, count), rng.uniform(size=count)
    away = np.abs(x - place[:, None])
    away = np.minimum(away, 1.0 - away)
    pulse = np.exp(-0.5 * (away / width[:, None]) ** 2) * rng.uniform(0.5, 2.0, (count, 1))
    phase = rng.uniform(0.0, 2.0 * np.pi, (count, 3, 1))
    size = rng.normal(0.0, 0.3, (count, 3, 1))
    waves = (size * np.cos(2.0 * np.pi * np.arange(1, 4)[:, None] * x + phase)).sum(1)
    signal = pulse + waves + 0.02 * rng.normal(size=(count, points))
    np.savez(path, signal=signal, width=width, x=x)


def make_clusters(path: Path, count: int = 240, seed: int = 0) -> None:
    """Write clusters of two metals without a cell, with energies of EMT."""
    from ase import Atoms
    from ase.build import bulk
    from ase.calculators.emt import EMT
    from ase.io import write

    rng, frames = np.random.default_rng(seed), []
    grid = bulk("Cu", "fcc", a=3.9, cubic=True).repeat(3).positions
    for _ in range(count):
        atoms, metals = int(rng.integers(5, 13)), rng.choice(_METALS, 2, replace=False)
        centre = grid.mean(0) + rng.normal(0.0, 0.6, 3)
        near = np.argsort(np.linalg.norm(grid - centre, axis=1))[:atoms]
        moved = grid[near] + rng.normal(0.0, 0.12, (atoms, 3))
        one = Atoms(rng.choice(metals, atoms), moved)
        one.calc = EMT()
        one.get_potential_energy()
        frames.append(one)
    write(path, frames)


def make_crystals(folder: Path, count: int = 240, seed: int = 0) -> None:
    """Write a folder of CIF, ordered and strained alloys, and a CSV of EMT energies by file."""
    from ase.build import bulk
    from ase.calculators.emt import EMT
    from ase.io import write

    rng, lines = np.random.default_rng(seed), ["file,energy"]
    folder.mkdir()
    for i in range(count):
        a, b = rng.choice(_METALS, 2, replace=False)
        lattice = rng.uniform(0.94, 1.06) * 3.9
        one = bulk(a, "fcc", a=lattice, cubic=True)
        one.symbols = [a, a, a, b] if rng.random() < 0.5 else [a, a, b, b]
        one.rattle(0.08, seed=int(rng.integers(1 << 30)))
        one.calc = EMT()
        lines.append(f"c{i:03d},{one.get_potential_energy():.6f}")
        write(folder / f"c{i:03d}.cif", one)
    (folder / "energies.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


_METALS = ("Cu", "Ag", "Au", "Ni", "Pd", "Pt")
