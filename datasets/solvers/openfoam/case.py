"""A case folder of ``simpleFoam``: incompressible, steady, k-omega SST, resolved to the wall.

Units: chord 1 m unless another is given, free stream 1 m/s, so that the kinematic viscosity is the
chord over the Reynolds number; pressure is divided by the density. The section stays; the incidence
turns the free stream. Wall values follow Menter (k = 0, omega = 6 nu / (0.075 y^2) in the first
cell); the free stream has the turbulence of NASA's reference runs, k = 4e-7 U^2 (an intensity of
0.05 %) and an eddy viscosity of 0.009 nu.

Sources: F. R. Menter, AIAA Journal 32 (1994); NASA Langley Turbulence Modeling Resource, "2D NACA
0012 Airfoil Validation Case"; OpenFOAM v1912 user guide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from formwright.datasets.solvers.openfoam.files import dictionary, values

FREE_K: Final = 4e-7
FREE_VISCOSITY_RATIO: Final = 0.009
NO_K: Final = 1e-14
FIRST_ORDER: Final = "upwind"
SECOND_ORDER: Final = "linearUpwind grad(U)"
STOP: Final = "STOP"
FORCES: Final = "coefficients"
PARTS: Final = "parts"
SHEAR: Final = "wallShearStress"
FIELDS: Final = ("U", "p", "k", "omega", "nut")
_DIMENSIONS: Final = {
    "U": "[0 1 -1 0 0 0 0]",
    "p": "[0 2 -2 0 0 0 0]",
    "k": "[0 2 -2 0 0 0 0]",
    "omega": "[0 0 -1 0 0 0 0]",
    "nut": "[0 2 -1 0 0 0 0]",
}
_EMPTY: Final = {"type": "empty"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Numerics:
    """How the equations are solved.

    Attributes:
        momentum: Relaxation of the momentum equation.
        turbulence: Relaxation of the equations of k and omega.
        pressure_tolerance: Of the pressure in one iteration, over its first residual.
        correctors: Corrections of the pressure for cells that are not orthogonal.
        convection: Interpolation of the momentum.
        forces_every: Iterations between two values of the coefficients.
    """

    momentum: float = 0.9
    turbulence: float = 0.8
    pressure_tolerance: float = 0.05
    correctors: int = 0
    convection: str = SECOND_ORDER
    forces_every: int = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Flow:
    """What a case is to solve.

    Attributes:
        alpha_deg: Incidence, degrees.
        reynolds: On the chord.
        iterations: At most.
        span: Thickness of the mesh, chords.
        start: Fields to start from, by name; the free stream where absent.
        far: Middles of the far field's faces, (faces, 3), chords.
        chord: Of the mesh, metres; ``span`` and ``far`` stay in chords.
        circulation_cl: Lift coefficient of the point vortex at the quarter chord that the far
            field feels.
    """

    alpha_deg: float
    reynolds: float
    iterations: int
    span: float
    far: Float[np.ndarray, "faces 3"]
    start: Mapping[str, np.ndarray] | None = None
    circulation_cl: float = 0.0
    chord: float = 1.0

    @property
    def nu(self) -> float:
        """The kinematic viscosity."""
        return self.chord / self.reynolds

    @property
    def direction(self) -> Float[np.ndarray, " 3"]:
        """The free stream, a unit vector."""
        alpha = np.deg2rad(self.alpha_deg)
        return np.array([np.cos(alpha), np.sin(alpha), 0.0])


def free_stream(flow: Flow) -> dict[str, np.ndarray]:
    """Return the value of each field far away."""
    nut = FREE_VISCOSITY_RATIO * flow.nu
    scalars = {"p": 0.0, "k": FREE_K, "omega": FREE_K / nut, "nut": nut}
    return {"U": flow.direction, **{name: np.array(value) for name, value in scalars.items()}}


def far_field(flow: Flow) -> tuple[Float[np.ndarray, "faces 3"], Float[np.ndarray, " faces"]]:
    """Return velocity and pressure on the far field: free stream and the vortex of the lift.

    Without the vortex the drag of a lifting section is too large by about cl^2 over 4 pi times the
    distance, one per cent at 100 chords and 10 degrees.
    """
    x, y = (flow.far[:, :2] - [0.25, 0.0]).T
    strength = 0.5 * flow.circulation_cl / (2.0 * np.pi * (x**2 + y**2))
    velocity = flow.direction + np.stack([strength * y, -strength * x, 0.0 * x], -1)
    return velocity, 0.5 * (1.0 - (velocity**2).sum(1))


def write_case(folder: Path, flow: Flow, numerics: Numerics) -> None:
    """Write everything but the mesh."""
    for name in ("0", "constant", "system"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name, entries in _system(flow, numerics).items():
        _write(folder / "system" / name, dictionary(name, entries))
    transport = {"transportModel": "Newtonian", "nu": flow.nu}
    _write(folder / "constant" / "transportProperties", dictionary("transport", transport))
    turbulence = {"RASModel": "kOmegaSST", "turbulence": "on", "printCoeffs": "off"}
    model = {"simulationType": "RAS", "RAS": turbulence}
    _write(folder / "constant" / "turbulenceProperties", dictionary("turbulence", model))
    far, start = free_stream(flow), flow.start or {}
    for name in FIELDS:
        kind = "volVectorField" if name == "U" else "volScalarField"
        entries = {
            "dimensions": _DIMENSIONS[name],
            "internalField": values(start.get(name, far[name])),
            "boundaryField": _boundary(name, far, flow),
        }
        _write(folder / "0" / name, dictionary(name, entries, kind))


def _boundary(name: str, far: Mapping[str, np.ndarray], flow: Flow) -> dict[str, Any]:
    """Return the conditions of a field on the patches."""
    value = values(far[name])
    velocity, pressure = map(values, far_field(flow))
    fixed = {"type": "inletOutlet", "inletValue": value, "value": value}
    wall: dict[str, Mapping[str, Any]] = {
        "U": {"type": "noSlip"},
        "p": {"type": "zeroGradient"},
        "k": {"type": "fixedValue", "value": values(np.array(NO_K))},
        "omega": {"type": "omegaWallFunction", "value": value},
        "nut": {"type": "nutLowReWallFunction", "value": values(np.array(0.0))},
    }
    outside: dict[str, Mapping[str, Any]] = {
        "U": {"type": "freestreamVelocity", "freestreamValue": velocity, "value": velocity},
        "p": {"type": "freestreamPressure", "freestreamValue": pressure, "value": pressure},
        "k": fixed,
        "omega": fixed,
        "nut": {"type": "calculated", "value": value},
    }
    return {"airfoil": wall[name], "farfield": outside[name], "front": _EMPTY, "back": _EMPTY}


def _system(flow: Flow, numerics: Numerics) -> dict[str, dict[str, Any]]:
    """Return the three dictionaries of ``system``."""
    control = {
        "application": "simpleFoam",
        "startFrom": "startTime",
        "startTime": 0,
        "stopAt": "endTime",
        "endTime": flow.iterations,
        "deltaT": 1,
        "writeControl": "timeStep",
        "writeInterval": flow.iterations,
        "writeFormat": "ascii",
        "writePrecision": 10,
        "timeFormat": "general",
        "timePrecision": 8,
        "runTimeModifiable": False,
        "functions": _functions(flow, numerics),
    }
    return {
        "controlDict": control,
        "fvSchemes": _schemes(numerics),
        "fvSolution": _solution(numerics),
    }


def _schemes(numerics: Numerics) -> dict[str, Any]:
    """Return second order for the momentum, first order with a limiter for the turbulence."""
    return {
        "ddtSchemes": {"default": "steadyState"},
        "gradSchemes": {"default": "Gauss linear"},
        "divSchemes": {
            "default": "none",
            "div(phi,U)": f"bounded Gauss {numerics.convection}",
            "div(phi,k)": "bounded Gauss limitedLinear 1",
            "div(phi,omega)": "bounded Gauss limitedLinear 1",
            "div((nuEff*dev2(T(grad(U)))))": "Gauss linear",
        },
        "laplacianSchemes": {"default": "Gauss linear corrected"},
        "interpolationSchemes": {"default": "linear"},
        "snGradSchemes": {"default": "corrected"},
        "wallDist": {"method": "meshWave"},
    }


def _solution(numerics: Numerics) -> dict[str, Any]:
    """Return SIMPLEC with multigrid for the pressure."""
    transported = {
        "solver": "smoothSolver",
        "smoother": "symGaussSeidel",
        "tolerance": 1e-12,
        "relTol": 0.1,
        "maxIter": 10,
    }
    pressure = {
        "solver": "GAMG",
        "smoother": "DICGaussSeidel",
        "tolerance": 1e-10,
        "relTol": numerics.pressure_tolerance,
        "maxIter": 30,
    }
    return {
        "solvers": {"p": pressure, "(U|k|omega)": transported},
        "SIMPLE": {"consistent": True, "nNonOrthogonalCorrectors": numerics.correctors},
        "relaxationFactors": {
            "equations": {"U": numerics.momentum, "(k|omega)": numerics.turbulence}
        },
    }


def _functions(flow: Flow, numerics: Numerics) -> dict[str, Any]:
    """Return what is computed on the way: coefficients, forces by their kind, wall shear, stop."""
    body = {
        "libs": "(forces)",
        "patches": "(airfoil)",
        "rho": "rhoInf",
        "rhoInf": 1.0,
        "CofR": (0.25 * flow.chord, 0.0, 0.0),
        "log": False,
    }
    alpha = np.deg2rad(flow.alpha_deg)
    coefficients = body | {
        "type": "forceCoeffs",
        "writeControl": "timeStep",
        "executeInterval": numerics.forces_every,
        "writeInterval": numerics.forces_every,
        "liftDir": (-np.sin(alpha), np.cos(alpha), 0.0),
        "dragDir": (np.cos(alpha), np.sin(alpha), 0.0),
        "pitchAxis": (0, 0, -1),
        "magUInf": 1.0,
        "lRef": flow.chord,
        "Aref": flow.span * flow.chord**2,
    }
    last = {"executeControl": "writeTime", "writeControl": "writeTime"}
    return {
        FORCES: coefficients,
        PARTS: body | {"type": "forces"} | last,
        SHEAR: {"type": SHEAR, "libs": "(fieldFunctionObjects)", "patches": "(airfoil)"} | last,
        "stop": {
            "type": "abort",
            "libs": "(utilityFunctionObjects)",
            "file": f'"<case>/{STOP}"',
            "action": "writeNow",
        },
    }


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="ascii")
