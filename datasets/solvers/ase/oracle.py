"""The self-test of an oracle: a potential whose weights load wrongly is refused.

Weights of another version can load without a word and give wrong forces. What every potential of
metals must do is checked on copper and platinum: lattice constants as measured, no forces in a
perfect crystal, forces and stress that are derivatives of the energy, a turned crystal with the
same energy, and a surface that costs energy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from formwright.datasets.errors import CheckpointError
from formwright.datasets.solvers.ase.solver import AseSolver, quietly

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator

MEASURED: Final[Mapping[str, float]] = {"Cu": 3.615, "Pt": 3.924}
"""Lattice constants of fcc metals, angstrom."""
_STEP: Final = 0.01


@dataclass(frozen=True, kw_only=True, slots=True)
class SelfTest:
    """What was found for one metal, and what is allowed.

    Attributes:
        metal: Symbol.
        lattice_angstrom: Where the energy is least.
        lattice_error: Against the measured one, relative; at most ``LATTICE``.
        crystal_force: Largest force in the perfect crystal, eV/angstrom; at most ``FORCE``.
        force_error: Largest difference of forces and - dE/dx by central differences in a shaken
            cell, eV/angstrom; at most ``SLOPE``.
        stress_error: The same of the pressure of a squeezed cell, relative; at most ``STRESS``; 0
            where the calculator has no stress.
        turned_ev: Change of a turned cell's energy, eV an atom; at most ``TURNED``.
        surface_ev: Cost of a (111) surface atom, eV; more than 0.
    """

    metal: str
    lattice_angstrom: float
    lattice_error: float
    crystal_force: float
    force_error: float
    stress_error: float
    turned_ev: float
    surface_ev: float


LATTICE: Final = 0.03
FORCE: Final = 0.02
SLOPE: Final = 0.05
STRESS: Final = 0.1
TURNED: Final = 2e-3


def self_test(
    solver: AseSolver, metals: Mapping[str, float] = MEASURED, *, seed: int = 0
) -> list[SelfTest]:
    """Test a potential and return what was found.

    Args:
        solver: With the potential.
        metals: Fcc metals that it knows, with their lattice constants, angstrom.
        seed: Of the shaking.

    Raises:
        CheckpointError: It fails; the message has the numbers.
    """
    calculator = solver.calculator()
    with quietly(solver.quiet):
        result = [_tested(calculator, metal, a, seed) for metal, a in metals.items()]
    wrong = [line for one in result for line in _failures(one)]
    if wrong:
        raise CheckpointError(
            f"{solver.name} fails the self-test of an oracle: {'; '.join(wrong)}. Its weights "
            "probably belong to another version: install the version that they were made with, or "
            "use another oracle."
        )
    return result


def _failures(one: SelfTest) -> list[str]:
    """Return what is out of bounds, with numbers."""
    checks = {
        f"lattice constant of {one.lattice_angstrom:.3f} angstrom is off by "
        f"{100 * one.lattice_error:.1f} % (allowed {100 * LATTICE:g} %)": one.lattice_error
        <= LATTICE,
        f"perfect crystal has forces of {one.crystal_force:.3g} eV/angstrom (allowed {FORCE})": (
            one.crystal_force <= FORCE
        ),
        f"forces differ from -dE/dx by {one.force_error:.3g} eV/angstrom (allowed {SLOPE})": (
            one.force_error <= SLOPE
        ),
        f"stress differs from dE/dstrain by {100 * one.stress_error:.3g} % (allowed "
        f"{100 * STRESS:g} %)": one.stress_error <= STRESS,
        f"turned crystal has another energy, by {one.turned_ev:.3g} eV an atom (allowed "
        f"{TURNED})": one.turned_ev <= TURNED,
        f"surface gains energy, {one.surface_ev:.3g} eV an atom": one.surface_ev > 0.0,
    }
    return [f"{one.metal}: {text}" for text, good in checks.items() if not good]


def _tested(calculator: Calculator, metal: str, measured: float, seed: int) -> SelfTest:
    from ase.build import bulk

    least = _lattice(calculator, metal, measured)
    a = least if np.isfinite(least) else measured
    crystal = bulk(metal, "fcc", a=a, cubic=True)
    crystal.calc = calculator
    here = float(crystal.get_potential_energy()) / len(crystal)
    still = float(np.abs(crystal.get_forces()).max())
    turned = crystal.copy()
    turned.rotate(37.0, (1.0, 2.0, 3.0), rotate_cell=True)
    return SelfTest(
        metal=metal,
        lattice_angstrom=least,
        lattice_error=_finite(abs(least / measured - 1.0)),
        crystal_force=_finite(still),
        force_error=_force_error(calculator, crystal, seed),
        stress_error=_stress_error(calculator, crystal),
        turned_ev=_finite(abs(_energy(calculator, turned) / len(turned) - here)),
        surface_ev=_surface(calculator, metal, a, here),
    )


def _finite(value: float) -> float:
    """Return the value; what is no number is infinitely wrong."""
    return float(value) if np.isfinite(value) else float("inf")


def _energy(calculator: Calculator, atoms: Atoms) -> float:
    atoms.calc = calculator
    return float(atoms.get_potential_energy())


def _lattice(calculator: Calculator, metal: str, measured: float) -> float:
    """Return the lattice constant of least energy, from a cubic through seven."""
    from ase.build import bulk

    a = measured * np.linspace(0.94, 1.06, 7)
    energy = [_energy(calculator, bulk(metal, "fcc", a=size)) for size in a]
    if not np.isfinite(energy).all():
        return float("nan")
    slope = np.polyder(np.polyfit(a - measured, energy, 3))
    roots = np.roots(slope)
    least = [float(r.real) for r in roots if abs(r.imag) < 1e-9 and np.polyval(slope, r + 0.1) > 0]
    inside = [measured + r for r in least if abs(r) < 0.06 * measured]
    return inside[0] if inside else float(a[int(np.argmin(energy))])


def _force_error(calculator: Calculator, crystal: Atoms, seed: int) -> float:
    """Return how far forces are from central differences, along each axis of one atom."""
    shaken = crystal.copy()
    shaken.positions += np.random.default_rng(seed).normal(scale=0.1, size=(len(shaken), 3))
    shaken.calc = calculator
    forces = np.array(shaken.get_forces())[1]
    slope = np.zeros(3)
    for axis in range(3):
        for sign in (1.0, -1.0):
            one = shaken.copy()
            one.positions[1, axis] += sign * _STEP
            slope[axis] += sign * _energy(calculator, one) / (2.0 * _STEP)
    return _finite(float(np.abs(forces + slope).max()))


def _stress_error(calculator: Calculator, crystal: Atoms) -> float:
    """Return how far the trace of the stress is from dE/dstrain / volume, relative."""
    if "stress" not in calculator.implemented_properties:
        return 0.0
    squeezed = crystal.copy()
    squeezed.set_cell(np.array(crystal.cell) * 0.97, scale_atoms=True)
    squeezed.calc = calculator
    trace = float(np.array(squeezed.get_stress())[:3].sum()) * squeezed.get_volume()
    slope = 0.0
    for sign in (1.0, -1.0):
        one = squeezed.copy()
        one.set_cell(np.array(squeezed.cell) * (1.0 + 0.5 * sign * _STEP), scale_atoms=True)
        slope += sign * _energy(calculator, one) / _STEP
    return _finite(abs(trace - slope) / max(abs(slope), 1e-9))


def _surface(calculator: Calculator, metal: str, a: float, bulk_ev: float) -> float:
    """Return the cost of a surface atom of four layers of (111), eV."""
    from ase.build import fcc111

    slab = fcc111(metal, (1, 1, 4), a=a, vacuum=6.0, periodic=True)
    cost = (_energy(calculator, slab) - 4.0 * bulk_ev) / 2.0
    return cost if np.isfinite(cost) else -float("inf")
