"""Any ASE calculator as a solver of atoms: an energy, or a relaxation with its constraints.

EMT (Jacobsen, Stoltze, Norskov 1996) comes with ASE and knows a few fcc metals; CHGNet (Deng et al.
2023) is an optional oracle. Whatever is used, ``oracle.self_test`` refuses it where it does
not do what a potential must.
"""

from __future__ import annotations

import io
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from jaxtyping import Float

from formwright.datasets.atoms.structures import ADSORBATE, Structure, to_ase
from formwright.datasets.errors import MissingSolverError, ReactionError

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator

LONGEST_STEP: Final = 0.1
"""Farthest that an atom goes in a step of a relaxation, angstrom."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AtomsResult:
    """The answer of a calculator to one structure.

    Attributes:
        structure: Relaxed, or as given.
        energy_ev: Of the whole cell, eV; NaN only where there is a reason.
        forces: As the calculator gives them, without constraints, eV/angstrom.
        steps: Taken by the relaxation.
        reason: Empty if converged, else why not.
        solver: Name and version.
        settings: What else determined the answer.
        seconds: Wall time.
    """

    structure: Structure
    energy_ev: float
    forces: Float[np.ndarray, "atoms 3"]
    steps: int = 0
    reason: str = ""
    solver: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def converged(self) -> bool:
        """Whether there is an answer, and of a relaxation whether forces are small."""
        return not self.reason


@dataclass(frozen=True, kw_only=True, slots=True)
class AseSolver:
    """An ASE calculator as a solver.

    Attributes:
        make: Returns a calculator; called once a campaign.
        name: Name and version of the potential.
        fmax_ev_per_angstrom: A relaxation ends when no free atom's force is larger.
        steps: Steps of a relaxation at most.
        relax: Relax (BFGS, fixed atoms stay), or take structures as they are.
        quiet: Keep back what the calculator prints and warns of.
    """

    make: Callable[[], Calculator]
    name: str
    fmax_ev_per_angstrom: float = 0.05
    steps: int = 200
    relax: bool = False
    quiet: bool = False

    @property
    def settings(self) -> dict[str, Any]:
        """What determines an answer beside the potential."""
        relaxed = {"fmax_ev_per_angstrom": self.fmax_ev_per_angstrom, "steps": self.steps}
        return {"relax": self.relax, **(relaxed if self.relax else {})}

    def calculator(self) -> Calculator:
        """Return a new calculator."""
        with quietly(self.quiet):
            return self.make()

    def solve(self, structures: Iterable[Structure]) -> Iterator[AtomsResult]:
        """Solve structures one by one; what the calculator cannot do has a reason.

        Raises:
            MissingSolverError: The potential is not installed.
        """
        calculator = self.calculator()
        for one in structures:
            started = time.perf_counter()
            with quietly(self.quiet):
                result = self._solve_one(one, calculator)
            yield replace(result, seconds=time.perf_counter() - started)

    def _solve_one(self, one: Structure, calculator: Calculator) -> AtomsResult:
        atoms = to_ase(one)
        atoms.calc = calculator
        steps, reason = 0, ""
        energy, forces = float("nan"), np.full((len(one), 3), np.nan)
        try:
            if self.relax:
                steps, reason = self._relaxed(atoms)
            energy = float(atoms.get_potential_energy())
            forces = np.array(atoms.get_forces(apply_constraint=False), dtype=np.float64)
        except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
            reason = f"{self.name} failed: {type(error).__name__}: {error}"
        if not reason and not (np.isfinite(energy) and np.isfinite(forces).all()):
            reason = f"{self.name} returned an energy or a force that is not finite"
        return AtomsResult(
            structure=replace(one, pos=atoms.get_positions()),
            energy_ev=energy,
            forces=forces,
            steps=steps,
            reason=reason,
            solver=self.name,
            settings=self.settings,
        )

    def _relaxed(self, atoms: Atoms) -> tuple[int, str]:
        """Relax in place; return the steps taken and why it did not converge."""
        from ase.optimize import BFGS

        with BFGS(atoms, logfile=None, maxstep=LONGEST_STEP) as relaxation:
            done = relaxation.run(fmax=self.fmax_ev_per_angstrom, steps=self.steps)
            taken = int(relaxation.get_number_of_steps())
        if done:
            return taken, ""
        left = float(np.linalg.norm(atoms.get_forces(), axis=1).max())
        wanted = self.fmax_ev_per_angstrom
        return taken, f"not relaxed: {left:.3f} of {wanted:g} eV/angstrom after {taken} steps"


@dataclass(frozen=True, kw_only=True, slots=True)
class Adsorption:
    """An adsorption energy by a calculator.

    Attributes:
        e_ads_ev: E(slab with adsorbate) - E(slab) - references, eV; NaN where there is a reason.
        reason: Empty, or why one of the two is not converged.
        adsorbed: The slab with its adsorbate.
        clean: The slab without.
    """

    e_ads_ev: float
    reason: str
    adsorbed: AtomsResult
    clean: AtomsResult


def adsorption_energies(
    solver: AseSolver, structures: Iterable[Structure], references_ev: Mapping[str, float]
) -> Iterator[Adsorption]:
    """Yield the adsorption energy of each slab; clean slabs that repeat are solved once.

    Args:
        solver: Of slabs with and without adsorbate; it relaxes both if it relaxes.
        structures: Slabs whose adsorbate has tag 2.
        references_ev: Energy of an atom of each element of the adsorbates in its gas reference by
            the same potential, eV, e.g. H: E(H2) / 2, O: E(H2O) - E(H2).

    Raises:
        ReactionError: An element of an adsorbate has no reference, or there is no adsorbate.
    """
    known: dict[bytes, AtomsResult] = {}
    for one in structures:
        reference = _reference(one, references_ev)
        bare = one.tags != ADSORBATE
        kept = {name: getattr(one, name)[bare] for name in ("z", "pos", "tags", "fixed")}
        parts = (*kept.values(), one.cell)
        key = b"".join(np.ascontiguousarray(part).tobytes() for part in parts)
        if key not in known:
            (known[key],) = solver.solve([replace(one, **kept)])
        (adsorbed,) = solver.solve([one])
        clean = known[key]
        wrong = (("with adsorbate", adsorbed), ("clean slab", clean))
        reason = "; ".join(f"{what}: {result.reason}" for what, result in wrong if result.reason)
        energy = adsorbed.energy_ev - clean.energy_ev - reference
        yield Adsorption(
            e_ads_ev=float("nan") if reason else energy,
            reason=reason,
            adsorbed=adsorbed,
            clean=clean,
        )


def _reference(one: Structure, references_ev: Mapping[str, float]) -> float:
    """Return the energy of the adsorbate's atoms in their gas references, eV."""
    elements = [e for e, tag in zip(one.elements, one.tags, strict=True) if tag == ADSORBATE]
    missing = sorted(set(elements) - set(references_ev))
    if missing or not elements:
        raise ReactionError(
            f"{one.name or 'the structure'} has an adsorbate of {elements or 'no atoms'}; "
            f"references are given for {', '.join(references_ev) or 'nothing'}. Mark the adsorbate "
            "with tag 2 and give the gas energy an atom of each of its elements."
        )
    return sum(references_ev[element] for element in elements)


def emt(**settings: Any) -> AseSolver:
    """Return ASE's effective medium theory: Al, Cu, Ag, Au, Ni, Pd, Pt, and roughly H, C, N, O.

    Args:
        settings: Of ``AseSolver``.
    """

    def make() -> Calculator:
        from ase.calculators.emt import EMT

        return EMT()

    return AseSolver(make=make, name=f"emt (ase {version('ase')})", **settings)


def chgnet(**settings: Any) -> AseSolver:
    """Return CHGNet on the processor, with the weights of its package.

    Args:
        settings: Of ``AseSolver``.

    Raises:
        MissingSolverError: It is not installed.
    """
    if find_spec("chgnet") is None:
        raise MissingSolverError(
            "the oracle CHGNet is not installed. Install it with pip install 'formwright[oracle]'."
        )

    def make() -> Calculator:
        from chgnet.model.dynamics import CHGNetCalculator  # pyright: ignore[reportMissingImports]

        return CHGNetCalculator(use_device="cpu", on_isolated_atoms="ignore")

    return AseSolver(make=make, name=f"chgnet {version('chgnet')}", **{"quiet": True, **settings})


@contextmanager
def quietly(quiet: bool = True) -> Iterator[None]:
    """Keep back warnings and what is printed, where wanted."""
    if not quiet:
        yield
        return
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
