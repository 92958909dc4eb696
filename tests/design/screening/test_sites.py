from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import add_adsorbate, fcc111, graphene, hcp0001, molecule
from scipy.spatial.transform import Rotation

from formwright.datasets.atoms.files.structures import read_structures, write_structures
from formwright.datasets.atoms.structures import Structure, from_ase
from formwright.design.screening.config import ScreenConfig
from formwright.design.screening.entries import Entry
from formwright.design.screening.rows import rows_of
from formwright.design.screening.screen import screen
from formwright.surrogate.atoms.adsorption import AdsorptionConfig, AdsorptionSurrogate
from formwright.surrogate.atoms.checks import checked
from formwright.surrogate.zoo import load, save


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    config = AdsorptionConfig(channels=8, layers=2, embedding=8, hidden=8, cutoff=4.5)
    surrogate = AdsorptionSurrogate(config)
    surrogate.trained_on[[1, 8, 28, 29, 44, 78]] = True
    path = tmp_path_factory.mktemp("weights") / "surrogate.safetensors"
    save(surrogate.eval(), path)
    return str(path)


def turned(one: Structure, *about: float) -> Structure:
    turn = Rotation.from_rotvec(about).as_matrix().T
    return replace(one, pos=one.pos @ turn, cell=one.cell @ turn)


def taken(one: Structure, atoms: np.ndarray) -> Structure:
    parts = {name: getattr(one, name)[atoms] for name in ("z", "pos", "tags", "fixed")}
    return replace(one, **parts)


def descriptions(one: Structure) -> Iterator[Structure]:
    yield one
    yield turned(one, 0.5, 0.0, 0.0)
    yield turned(one, 0.0, 1.3, 0.0)
    yield turned(one, 0.0, 0.0, 0.7)
    yield turned(one, np.pi, 0.0, 0.0)
    yield turned(one, 1.0, 2.0, -0.7)
    yield replace(one, cell=one.cell * np.array([1.0, 1.0, -1.0])[:, None])
    for order in ([1, 2, 0], [1, 0, 2], [0, 2, 1]):
        yield replace(one, cell=one.cell[order], pbc=one.pbc[order])
    flat = np.linalg.solve(one.cell.T, (one.pos + 0.5 * one.cell[2]).T).T
    yield replace(one, pos=(flat % 1.0) @ one.cell)
    yield taken(one, np.random.default_rng(0).permutation(len(one)))
    yield replace(one, pos=one.pos + np.array([31.3, -17.1, 5.0]))


def symmetric() -> Structure:
    made = fcc111("Pt", (2, 2, 3), vacuum=8)
    made.set_tags(0)
    made.pbc = True
    return from_ase(made)


def held_and_uneven() -> Structure:
    made = hcp0001("Ru", (2, 2, 3), vacuum=8)
    low = made.get_tags() == 3
    made.positions += np.random.default_rng(1).normal(0.0, 0.03, made.positions.shape)
    made.symbols[-1] = "Ni"
    made.set_tags(0)
    made.pbc = True
    return replace(from_ase(made), fixed=low)


@pytest.mark.parametrize("make", [symmetric, held_and_uneven])
@pytest.mark.parametrize("reaction", ["HER", "ORR"])
def test_descriptions_of_one_slab_have_equal_rows(make, reaction, weights: str) -> None:
    some = [
        Entry(index=i, name=str(i), frames=(one,)) for i, one in enumerate(descriptions(make()))
    ]
    sites = "all" if reaction == "HER" else "bridge"
    config = ScreenConfig(reaction=reaction, surrogate=weights, sites=sites)
    rows = rows_of(some, config, load(weights))
    assert len(rows) == 13 and {row["status"] for row in rows} == {"ranked"}
    assert len({row["sites"] for row in rows}) == 1 and not any(row["flag"] for row in rows)
    for name in ("H",) if reaction == "HER" else ("O", "OH"):
        energies = [row[f"e_{name}_ev"] for row in rows]
        np.testing.assert_allclose(energies, energies[0], atol=1e-5)


def test_descriptions_of_one_adsorbed_slab_have_equal_energies(weights: str) -> None:
    made = fcc111("Pt", (2, 2, 3), vacuum=8)
    add_adsorbate(made, molecule("OH"), 1.8, "ontop")
    made.set_tags(np.where(made.numbers < 9, 2, 0))
    made.pbc = True
    surrogate = load(weights)
    some = [checked(surrogate, one)[0] for one in descriptions(from_ase(made))]
    energies = surrogate.predict(some)["e_ads_ev"]
    np.testing.assert_allclose(energies, energies[0], atol=1e-5)


def test_files_of_users(weights: str, tmp_path: Path) -> None:
    bare = fcc111("Pt", (2, 2, 2), vacuum=8)
    given = fcc111("Cu", (2, 2, 2), vacuum=8)
    add_adsorbate(given, "H", 1.0, "fcc")
    pair = fcc111("Pt", (3, 3, 2), vacuum=8)
    add_adsorbate(pair, "H", 1.0, "fcc")
    add_adsorbate(pair, "O", 1.2, "fcc", offset=(1, 1))
    flat = graphene(size=(4, 4, 1), vacuum=8)
    flat.symbols[5] = "Ni"
    flat.pbc = True
    names = ["bare", "given", "pair", "flat"]
    frames = [from_ase(atoms) for atoms in (bare, given, pair, flat)]
    write_structures(tmp_path / "some.extxyz", frames, name=names)
    lost = "1\nname=lost\nX 0 0 0\n"
    (tmp_path / "some.extxyz").write_text(lost + (tmp_path / "some.extxyz").read_text())
    config = ScreenConfig(reaction="HER", surrogate=weights, sites="top")
    screen(str(tmp_path / "some.extxyz"), config, tmp_path / "out", workers=1)
    with (tmp_path / "out" / "ranking.csv").open(newline="", encoding="utf-8") as handle:
        rows = {row["candidate"]: row for row in csv.DictReader(handle)}
    assert rows["bare"]["site_H"] == "top|Pt" and rows["bare"]["elements"] == "Pt"
    assert rows["given"]["site_H"] == "as given" and rows["given"]["elements"] == "Cu"
    assert "2 pieces" in rows["pair"]["reason"] and "metal surface" in rows["flat"]["reason"]
    assert "ghost" in rows["some.extxyz (frame 0)"]["reason"]
    best = {one.name: one for one in read_structures(tmp_path / "out" / "best.extxyz")}
    assert len(best) == 2 and all(one.z[one.tags == 2].tolist() == [1] for one in best.values())


def test_ends_that_differ_are_flagged(weights: str) -> None:
    made = fcc111("Pt", (2, 2, 3), vacuum=8)
    made.symbols[8:] = "Ni"
    made.set_tags(0)
    config = ScreenConfig(reaction="HER", surrogate=weights, sites="one")
    unsaid = from_ase(made)
    held = replace(unsaid, fixed=unsaid.pos[:, 2] < 9.0)
    some = [Entry(index=i, name=str(i), frames=(one,)) for i, one in enumerate((unsaid, held))]
    first, second = rows_of(some, config, load(weights))
    assert "two ends of the slab differ" in first["flag"] and not second["flag"]
    assert first["site_H"] == second["site_H"] == "top|Ni"


def test_the_turned_adsorbate_of_a_row_is_the_one_that_is_written(
    weights: str, tmp_path: Path
) -> None:
    write_structures(tmp_path / "one.extxyz", [held_and_uneven()], name=["one"])
    config = ScreenConfig(reaction="ORR", surrogate=weights, sites="bridge")
    result = screen(str(tmp_path / "one.extxyz"), config, tmp_path / "out", workers=1)
    said = load(weights).predict(read_structures(tmp_path / "out" / "best.extxyz"))["e_ads_ev"]
    wanted = [result.best[0][f"e_{name}_ev"] for name in ("O", "OH")]
    np.testing.assert_allclose(sorted(said), sorted(wanted), atol=1e-4)
