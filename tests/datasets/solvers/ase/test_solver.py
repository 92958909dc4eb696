from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT

from formwright.datasets.atoms.bulks import bulk
from formwright.datasets.atoms.slabs.cut import cut
from formwright.datasets.atoms.slabs.placement import place
from formwright.datasets.atoms.slabs.sites import find_sites
from formwright.datasets.atoms.structures import Structure, to_ase
from formwright.datasets.errors import CheckpointError, MissingSolverError, ReactionError
from formwright.datasets.solvers.ase import solver as module
from formwright.datasets.solvers.ase.oracle import self_test
from formwright.datasets.solvers.ase.solver import AseSolver, adsorption_energies, chgnet, emt


def on_copper(what: str = "H", label: str = "top|Cu") -> Structure:
    slab = cut(bulk("Cu", "A1", a=3.6), supercell=(2, 2))[0]
    (site,) = (site for site in find_sites(slab) if site.label == label)
    return place(slab, site, what)


class Wrong(EMT):
    """EMT with something broken."""

    def __init__(self, *, forces: float = 1.0, energy: float = 0.0, stretch: float = 1.0) -> None:
        super().__init__()
        self.wrong = (forces, energy, stretch)

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes) -> None:
        forces, energy, stretch = self.wrong
        assert atoms is not None
        other = atoms.copy()
        other.set_cell(np.array(atoms.cell) * stretch, scale_atoms=True)
        super().calculate(other, list(properties), list(system_changes))
        self.results["forces"] = self.results["forces"] * forces
        self.results["energy"] += energy


def solver_of(calculator: Calculator) -> AseSolver:
    return AseSolver(make=lambda: calculator, name="wrong 1.0")


def test_energy_and_forces_are_the_calculator_s() -> None:
    one = on_copper()
    (result,) = emt().solve([one])
    peer = to_ase(one)
    peer.set_constraint()
    peer.calc = EMT()
    assert result.converged and result.steps == 0 and result.seconds > 0.0
    assert result.energy_ev == pytest.approx(peer.get_potential_energy(), abs=1e-9)
    np.testing.assert_allclose(result.forces, peer.get_forces(), atol=1e-9)
    assert result.structure.pos is not one.pos and (result.structure.pos == one.pos).all()
    assert result.settings == {"relax": False} and "emt" in result.solver


def test_a_relaxation_keeps_fixed_atoms_and_lowers_the_energy() -> None:
    one = on_copper("CO")
    (before,) = emt().solve([one])
    (after,) = emt(relax=True, fmax_ev_per_angstrom=0.02).solve([one])
    assert after.converged and after.steps > 0
    assert after.energy_ev < before.energy_ev
    np.testing.assert_array_equal(after.structure.pos[one.fixed], one.pos[one.fixed])
    assert np.linalg.norm(after.forces[~one.fixed], axis=1).max() <= 0.02
    assert np.linalg.norm(after.forces[one.fixed], axis=1).max() > 0.02
    assert after.settings["fmax_ev_per_angstrom"] == 0.02


def test_too_few_steps_and_unknown_elements_have_a_reason() -> None:
    short = emt(relax=True, steps=1, fmax_ev_per_angstrom=1e-3)
    slab = cut(bulk("Ti3W", "L12"))[0]
    first, second, third = short.solve([on_copper(), slab, on_copper("O")])
    assert "not relaxed" in first.reason and "after 1 steps" in first.reason
    assert np.isfinite(first.energy_ev)
    assert not second.converged and "failed: NotImplementedError" in second.reason
    assert np.isnan(second.energy_ev) and second.forces.shape == slab.pos.shape
    assert np.isfinite(third.energy_ev)


def test_an_energy_that_is_not_finite_is_not_silent() -> None:
    (result,) = solver_of(Wrong(energy=float("nan"))).solve([on_copper()])
    assert not result.converged and "not finite" in result.reason


def test_adsorption_energy_is_the_difference() -> None:
    structures = [on_copper("OH"), on_copper("OH", "hollow|Cu_Cu_Cu|FCC")]
    references = {"O": 3.0, "H": -1.0}
    first, second = adsorption_energies(emt(), structures, references)
    clean = replace(
        structures[0],
        **{name: getattr(structures[0], name)[:12] for name in ("z", "pos", "tags", "fixed")},
    )
    energies = [result.energy_ev for result in emt().solve([structures[0], clean])]
    assert first.e_ads_ev == pytest.approx(energies[0] - energies[1] - 2.0, abs=1e-9)
    assert second.clean is first.clean and not second.reason
    with pytest.raises(ReactionError, match="'O', 'H'.*given for H"):
        next(adsorption_energies(emt(), structures, {"H": -1.0}))


def test_an_adsorption_energy_without_convergence_has_a_reason() -> None:
    solver = emt(relax=True, steps=1, fmax_ev_per_angstrom=1e-4)
    (found,) = adsorption_energies(solver, [on_copper()], {"H": 0.0})
    assert np.isnan(found.e_ads_ev) and "with adsorbate: not relaxed" in found.reason


def test_a_good_potential_passes_the_self_test() -> None:
    found = {one.metal: one for one in self_test(emt())}
    assert found["Cu"].lattice_angstrom == pytest.approx(3.59, abs=0.02)
    assert found["Pt"].force_error < 1e-2 and found["Pt"].surface_ev > 0.1


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ({"forces": 0.7}, "forces differ from -dE/dx by"),
        ({"forces": -1.0}, "forces differ from -dE/dx by"),
        ({"stretch": 1.05}, r"Cu: lattice constant of 3.4\d+ angstrom is off by"),
        ({"energy": float("nan")}, "lattice constant of nan angstrom"),
    ],
)
def test_wrong_weights_are_refused(broken: dict[str, float], says: str) -> None:
    with pytest.raises(CheckpointError, match=f"wrong 1.0 fails the self-test.*{says}"):
        self_test(solver_of(Wrong(**broken)), {"Cu": 3.615})


def test_a_missing_oracle_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(MissingSolverError, match=r"pip install 'formwright\[oracle\]'"):
        chgnet()


def test_chgnet_passes_the_self_test_quietly(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("chgnet")
    (found,) = self_test(chgnet(), {"Cu": 3.615})
    assert found.lattice_error < 0.01 and found.force_error < 0.01
    assert not capsys.readouterr().out
