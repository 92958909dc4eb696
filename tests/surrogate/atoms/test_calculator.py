from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import add_adsorbate, fcc111
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from ase.constraints import FixAtoms
from ase.optimize import BFGS
from ase.units import GPa

from formwright.datasets.atoms.structures import collate, from_ase, with_neighbours
from formwright.datasets.errors import OutOfRangeWarning, StructureError, UnknownNameError
from formwright.surrogate.atoms.adsorption import LABEL, AdsorptionConfig, AdsorptionSurrogate
from formwright.surrogate.atoms.calculator import AdsorptionCalculator
from formwright.surrogate.atoms.forces import respond
from formwright.surrogate.zoo import load


@pytest.fixture(scope="module")
def surrogate() -> AdsorptionSurrogate:
    torch.manual_seed(0)
    levels = ("QE BEEF-vdW", "VASP RPBE")
    config = AdsorptionConfig(
        channels=16, layers=2, cutoff=4.5, embedding=16, hidden=16, levels=levels
    )
    made = AdsorptionSurrogate(config).double().eval().requires_grad_(False)
    made.trained_on.fill_(True)
    made.references.fill_(-0.5)
    made.base.copy_(torch.tensor([1.0, 3.0]))
    made.scale.fill_(5.0)
    return made


def slab(rattle: float = 0.08) -> Atoms:
    atoms = fcc111("Pt", (2, 2, 2), vacuum=8.0, orthogonal=False)
    atoms.numbers[[1, 6]] = 28
    top = atoms.positions[4:].mean(0)
    atoms += Atoms("OH", [top + [0.1, 0.2, 1.5], top + [0.6, 0.7, 2.2]])
    atoms.set_tags([0] * 4 + [1] * 4 + [2] * 2)
    atoms.positions += np.random.default_rng(0).normal(0.0, rattle, atoms.positions.shape)
    atoms.set_cell(atoms.cell.array + [[0.0, 0.1, 0.0], [0.2, 0.0, 0.0], [0.0, 0.0, 0.0]])
    return atoms


def calculated(surrogate: AdsorptionSurrogate, atoms: Atoms) -> Atoms:
    atoms.calc = AdsorptionCalculator(surrogate)
    return atoms


def test_the_energy_is_that_of_the_surrogate(surrogate):
    atoms = calculated(surrogate, slab())
    said = surrogate(collate([from_ase(atoms)]))
    assert atoms.get_potential_energy() == pytest.approx(float(said[LABEL][0]), abs=1e-12)
    assert atoms.get_potential_energy(force_consistent=True) == atoms.get_potential_energy()
    results = atoms.calc.results
    assert results["energy_lower"] < results["energy"] < results["energy_upper"]
    assert results["energy_std"] == pytest.approx(float(said.std[LABEL][0]))


def test_forces_agree_with_finite_differences_and_sum_to_zero(surrogate):
    atoms = calculated(surrogate, slab())
    forces = atoms.get_forces()
    assert np.abs(forces).max() > 1e-2
    numeric = calculate_numerical_forces(atoms, eps=1e-4)
    np.testing.assert_allclose(forces, numeric, atol=1e-6)
    np.testing.assert_allclose(forces.sum(0), 0.0, atol=1e-12)


@pytest.mark.parametrize("pbc", [(True, True, False), (True, True, True)])
def test_stress_agrees_with_finite_differences_in_sign_and_order(surrogate, pbc):
    atoms = slab()
    atoms.pbc = pbc
    stress = calculated(surrogate, atoms).get_stress()
    numeric = calculate_numerical_stress(atoms, eps=1e-5)
    assert np.abs(stress).max() > 1e-3 * GPa
    assert len(set(np.round(stress / np.abs(stress).max(), 3))) == 6
    np.testing.assert_allclose(stress, numeric, atol=1e-9)


def test_stress_is_the_work_of_a_strain_a_volume(surrogate):
    atoms = slab()
    stress = calculated(surrogate, atoms).get_stress(voigt=False)
    strain = 1e-5 * np.array([[1.0, 0.5, 0.3], [0.5, -2.0, 0.7], [0.3, 0.7, 0.0]])
    ends = []
    for sign in (1.0, -1.0):
        stretched = slab()
        cell = stretched.cell.array @ (np.eye(3) + sign * strain)
        stretched.set_cell(cell, scale_atoms=True)
        ends.append(calculated(surrogate, stretched).get_potential_energy())
    work = atoms.get_volume() * (stress * strain).sum()
    assert 0.5 * (ends[0] - ends[1]) == pytest.approx(work, rel=1e-5)


def test_turned_atoms_have_turned_forces_and_stress(surrogate):
    atoms, turned = calculated(surrogate, slab()), slab()
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    turned.set_cell(turned.cell.array @ turn)
    turned.positions = turned.positions @ turn
    calculated(surrogate, turned)
    np.testing.assert_allclose(turned.get_forces(), atoms.get_forces() @ turn, atol=1e-10)
    wanted = turn.T @ atoms.get_stress(voigt=False) @ turn
    np.testing.assert_allclose(turned.get_stress(voigt=False), wanted, atol=1e-12)


def test_a_batch_of_responses_is_a_loop(surrogate):
    many = [from_ase(slab()), from_ase(slab(0.02)), from_ase(slab()[1:])]
    together = respond(surrogate, collate(many))
    alone = [respond(surrogate, collate([one])) for one in many]
    for name in ("energy", "forces", "stress"):
        wanted = torch.cat([getattr(one, name) for one in alone])
        torch.testing.assert_close(getattr(together, name), wanted, rtol=0, atol=1e-12)


def test_a_list_with_a_skin_gives_the_same_forces(surrogate):
    batch = collate([from_ase(slab())])
    exact = respond(surrogate, batch)
    skin = respond(surrogate, with_neighbours(batch, surrogate.encoder.cutoff + 0.7))
    torch.testing.assert_close(skin.forces, exact.forces, rtol=0, atol=1e-12)
    torch.testing.assert_close(skin.stress, exact.stress, rtol=0, atol=1e-14)


def test_single_precision_is_near(surrogate):
    single = AdsorptionSurrogate(surrogate.config).eval()
    single.load_state_dict(surrogate.state_dict())
    forces = calculated(single, slab()).get_forces()
    assert forces.dtype == np.float64
    np.testing.assert_allclose(forces, calculated(surrogate, slab()).get_forces(), atol=1e-4)


def test_levels_of_theory(surrogate):
    atoms = calculated(surrogate, slab())
    first = atoms.get_potential_energy()
    atoms.calc = AdsorptionCalculator(surrogate, level="VASP RPBE")
    assert atoms.get_potential_energy() == pytest.approx(first + 2.0)
    with pytest.raises(UnknownNameError, match="'VASP RPBE'"):
        AdsorptionCalculator(surrogate, level="VASP RPB")


def test_it_computes_again_when_anything_changed_and_only_then(surrogate, monkeypatch):
    atoms = calculated(surrogate, slab())
    before = atoms.get_potential_energy()
    calls = []
    original = AdsorptionCalculator.calculate
    monkeypatch.setattr(
        AdsorptionCalculator, "calculate", lambda *a, **k: (calls.append(1), original(*a, **k))
    )
    atoms.get_forces(), atoms.get_stress()
    assert not calls and atoms.get_potential_energy() == before
    tags = atoms.get_tags()
    tags[0] = 1
    atoms.set_tags(tags)
    assert atoms.get_potential_energy() != before and len(calls) == 1


def test_constraints_are_respected_by_an_optimiser(surrogate):
    atoms = calculated(surrogate, slab(0.02))
    atoms.set_constraint(FixAtoms(indices=range(4)))
    start, energy = atoms.positions.copy(), atoms.get_potential_energy()
    assert not atoms.get_forces()[:4].any()
    BFGS(atoms, logfile=None).run(fmax=0.02, steps=5)
    assert np.array_equal(atoms.positions[:4], start[:4])
    assert not np.array_equal(atoms.positions[4:], start[4:])
    assert atoms.get_potential_energy() < energy


def no_cell(atoms: Atoms) -> None:
    atoms.cell = None
    atoms.pbc = False


def filled(atoms: Atoms) -> None:
    atoms.center(vacuum=1.0, axis=2)


def overlapping(atoms: Atoms) -> None:
    atoms.positions[9] = atoms.positions[8] + 0.05


def untagged(atoms: Atoms) -> None:
    atoms.set_tags([1] * 10)


def layers(atoms: Atoms) -> None:
    atoms.set_tags([3] * 4 + [1] * 4 + [2] * 2)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (no_cell, "no cell"),
        (filled, "vacuum"),
        (overlapping, "O 8 and H 9|H 9 and O 8"),
        (untagged, "no adsorbate"),
        (layers, r"tags \[1, 2, 3\]"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_no_slab_is_refused(surrogate, spoil, message):
    atoms = slab()
    spoil(atoms)
    with pytest.raises(StructureError, match=message):
        calculated(surrogate, atoms).get_potential_energy()


def test_no_atoms_are_refused(surrogate):
    with pytest.raises(StructureError, match="no atoms"):
        AdsorptionCalculator(surrogate).calculate()


def test_elements_outside_the_training_data_are_flagged_once(surrogate):
    ignorant = AdsorptionSurrogate(surrogate.config).eval()
    ignorant.trained_on[[1, 8, 78]] = True
    ignorant.references[:, 1] = 1.0
    atoms = calculated(ignorant, slab())
    with pytest.warns(OutOfRangeWarning) as caught:
        atoms.get_potential_energy()
    texts = [str(warning.message) for warning in caught]
    assert len(texts) == 2
    assert texts[0].startswith("Ni is not in the training data")
    assert texts[1].startswith("O is tagged as part of the adsorbate")
    atoms.positions += 0.1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        atoms.get_potential_energy()


def shipped(height: float, stretch: float = 0.98) -> Atoms:
    """OH on Pt(111) at some height, its bond so long, with the shipped surrogate."""
    atoms = fcc111("Pt", (2, 2, 4), vacuum=8.0)
    add_adsorbate(atoms, Atoms("OH", [[0, 0, 0], [0, 0, stretch]]), height, "ontop")
    atoms.set_tags([0] * 12 + [1] * 4 + [2] * 2)
    atoms.pbc = True
    return calculated(load("adsorption-mamun"), atoms)


def test_a_place_unlike_all_that_was_learned_warns_once_and_says_how_far_it_is():
    atoms = shipped(2.0)
    atoms.get_forces()
    assert atoms.calc.results["support"] <= 1.0
    atoms.positions[-2:, 2] += 2.0
    with pytest.warns(OutOfRangeWarning, match="outside of what it learned from.*stop where"):
        atoms.get_forces()
    assert atoms.calc.results["support"] > 1.0
    atoms.positions[-2:, 2] += 0.5
    atoms.get_forces()


def test_a_relaxation_ends_where_the_adsorbate_falls_apart():
    with pytest.raises(StructureError, match="in 2 pieces that no bond joins: O 16; H 17"):
        shipped(2.0, 1.9).get_forces()
