"""Surrogate models for differentiable design.

Learn from simulations without labels, predict from few labels, design by gradient, verify with the
solver. The names in ``__all__`` are the public ones and stay; they are imported when first used, so
that ``import formwright`` costs nothing. Their homes are modules below ``formwright.datasets``,
``formwright.surrogate`` and ``formwright.design``, which may move.

>>> import formwright
>>> polar = formwright.load("airfoil-polar").predict("e387", alpha_deg=[0.0, 4.0], reynolds=1e6)
>>> polar["cl"].shape
(2,)
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from formwright.datasets import errors as errors
    from formwright.datasets.airfoils.database import database as database
    from formwright.datasets.airfoils.files.dat import write_dat as write_dat
    from formwright.datasets.airfoils.polar_data import read_polars as read_polars
    from formwright.datasets.airfoils.section import Section as Section
    from formwright.datasets.airfoils.sections import load_section as load_section
    from formwright.datasets.airfoils.sections import naca as naca
    from formwright.datasets.atoms.files.structures import read_structures as read_structures
    from formwright.datasets.atoms.files.structures import write_structures as write_structures
    from formwright.datasets.atoms.structures import Structure as Structure
    from formwright.datasets.cases import section_case as section_case
    from formwright.datasets.corpus import open_corpus as open_corpus
    from formwright.datasets.own.importing import import_corpus as import_corpus
    from formwright.datasets.pde.well_runs import open_runs as open_runs
    from formwright.datasets.rans.data import read_rans as read_rans
    from formwright.datasets.rans.flow_axes import in_file_directions as in_file_directions
    from formwright.datasets.rans.flow_field import FlowField as FlowField
    from formwright.datasets.rans.flow_field import load_flow as load_flow
    from formwright.datasets.rans.flow_files import read_flow_vtu as read_flow_vtu
    from formwright.datasets.rans.flow_files import write_flow as write_flow
    from formwright.datasets.rans.flow_files import write_in_file_axes as write_in_file_axes
    from formwright.datasets.rans.flow_files import write_wall as write_wall
    from formwright.datasets.rans.forces import integrate_flow as integrate_flow
    from formwright.datasets.solvers.openfoam.solver import OpenFOAM as OpenFOAM
    from formwright.datasets.solvers.panel.solver import Panel as Panel
    from formwright.datasets.solvers.xfoil.solver import XFoil as XFoil
    from formwright.design import objectives as objectives
    from formwright.design.airfoils import constraints as constraints
    from formwright.design.airfoils.spaces.bspline import BSpline as BSpline
    from formwright.design.airfoils.spaces.cst import CST as CST
    from formwright.design.airfoils.study import Study as Study
    from formwright.design.catalysts.alloys import AlloyDesign as AlloyDesign
    from formwright.design.catalysts.alloys import Target as Target
    from formwright.design.catalysts.alloys import objective_of as objective_of
    from formwright.design.catalysts.config import Verifier as Verifier
    from formwright.design.catalysts.ordered_alloys import OrderedAlloys as OrderedAlloys
    from formwright.design.catalysts.study import CatalystStudy as CatalystStudy
    from formwright.design.interfaces.function import as_function as as_function
    from formwright.design.interfaces.openmdao import as_openmdao as as_openmdao
    from formwright.design.loop import StudyResult as StudyResult
    from formwright.design.loop import read_study as read_study
    from formwright.design.loop import run as run
    from formwright.design.optimise.front import Front as Front
    from formwright.design.optimise.front import Outside as Outside
    from formwright.design.optimise.front import pareto as pareto
    from formwright.design.optimise.methods import SLSQP as SLSQP
    from formwright.design.optimise.methods import SQP as SQP
    from formwright.design.optimise.methods import Adam as Adam
    from formwright.design.optimise.methods import TrustConstr as TrustConstr
    from formwright.design.optimise.solve import optimise as optimise
    from formwright.design.problem import Problem as Problem
    from formwright.design.screening.config import ScreenConfig as ScreenConfig
    from formwright.design.screening.screen import screen as screen
    from formwright.design.simulators.config import InputSpec as InputSpec
    from formwright.design.simulators.config import OutputBound as OutputBound
    from formwright.design.simulators.study import SimulatorStudy as SimulatorStudy
    from formwright.design.spaces.box import Box as Box
    from formwright.design.spaces.points import OperatingPoint as OperatingPoint
    from formwright.design.spaces.points import OperatingPoints as OperatingPoints
    from formwright.design.spaces.space import DesignSpace as DesignSpace
    from formwright.surrogate.atoms.adsorption import AdsorptionConfig as AdsorptionConfig
    from formwright.surrogate.atoms.calculator import AdsorptionCalculator as AdsorptionCalculator
    from formwright.surrogate.encoder import Encoder as Encoder
    from formwright.surrogate.evaluate import evaluate as evaluate
    from formwright.surrogate.fit import Trained as Trained
    from formwright.surrogate.fit import fit as fit
    from formwright.surrogate.fit import pretrain as pretrain
    from formwright.surrogate.kinds import Kind as Kind
    from formwright.surrogate.kinds import Scores as Scores
    from formwright.surrogate.model import Prediction as Prediction
    from formwright.surrogate.model import Surrogate as Surrogate
    from formwright.surrogate.objectives.barlow import BarlowTwins as BarlowTwins
    from formwright.surrogate.objectives.simclr import SimCLR as SimCLR
    from formwright.surrogate.objectives.vicreg import VICReg as VICReg
    from formwright.surrogate.pretraining.matching import ViewMatch as ViewMatch
    from formwright.surrogate.rans.fields.figures import field_figure as field_figure
    from formwright.surrogate.rans.fields.predict import predict_in_file as predict_in_file
    from formwright.surrogate.regression import regression as regression
    from formwright.surrogate.table import Table as Table
    from formwright.surrogate.view import View as View
    from formwright.surrogate.zoo import list_models as list_models
    from formwright.surrogate.zoo import load as load
    from formwright.surrogate.zoo import save as save

__version__ = metadata.version("formwright")

_HOMES: Final[Mapping[str, str]] = {
    "load": "surrogate.zoo",
    "list_models": "surrogate.zoo",
    "save": "surrogate.zoo",
    "fit": "surrogate.fit",
    "pretrain": "surrogate.fit",
    "evaluate": "surrogate.evaluate",
    "Trained": "surrogate.fit",
    "Kind": "surrogate.kinds",
    "Scores": "surrogate.kinds",
    "regression": "surrogate.regression",
    "Table": "surrogate.table",
    "Surrogate": "surrogate.model",
    "Prediction": "surrogate.model",
    "Section": "datasets.airfoils.section",
    "load_section": "datasets.airfoils.sections",
    "naca": "datasets.airfoils.sections",
    "database": "datasets.airfoils.database",
    "write_dat": "datasets.airfoils.files.dat",
    "section_case": "datasets.cases",
    "Structure": "datasets.atoms.structures",
    "read_structures": "datasets.atoms.files.structures",
    "write_structures": "datasets.atoms.files.structures",
    "open_corpus": "datasets.corpus",
    "import_corpus": "datasets.own.importing",
    "read_polars": "datasets.airfoils.polar_data",
    "read_rans": "datasets.rans.data",
    "open_runs": "datasets.pde.well_runs",
    "FlowField": "datasets.rans.flow_field",
    "load_flow": "datasets.rans.flow_field",
    "read_flow_vtu": "datasets.rans.flow_files",
    "write_flow": "datasets.rans.flow_files",
    "write_wall": "datasets.rans.flow_files",
    "write_in_file_axes": "datasets.rans.flow_files",
    "in_file_directions": "datasets.rans.flow_axes",
    "integrate_flow": "datasets.rans.forces",
    "predict_in_file": "surrogate.rans.fields.predict",
    "field_figure": "surrogate.rans.fields.figures",
    "XFoil": "datasets.solvers.xfoil.solver",
    "OpenFOAM": "datasets.solvers.openfoam.solver",
    "Panel": "datasets.solvers.panel.solver",
    "Encoder": "surrogate.encoder",
    "View": "surrogate.view",
    "ViewMatch": "surrogate.pretraining.matching",
    "VICReg": "surrogate.objectives.vicreg",
    "BarlowTwins": "surrogate.objectives.barlow",
    "SimCLR": "surrogate.objectives.simclr",
    "AdsorptionConfig": "surrogate.atoms.adsorption",
    "AdsorptionCalculator": "surrogate.atoms.calculator",
    "OperatingPoint": "design.spaces.points",
    "run": "design.loop",
    "read_study": "design.loop",
    "StudyResult": "design.loop",
    "OperatingPoints": "design.spaces.points",
    "DesignSpace": "design.spaces.space",
    "CST": "design.airfoils.spaces.cst",
    "BSpline": "design.airfoils.spaces.bspline",
    "OrderedAlloys": "design.catalysts.ordered_alloys",
    "Box": "design.spaces.box",
    "Problem": "design.problem",
    "constraints": "design.airfoils.constraints",
    "objectives": "design.objectives",
    "optimise": "design.optimise.solve",
    "pareto": "design.optimise.front",
    "Front": "design.optimise.front",
    "Outside": "design.optimise.front",
    "SQP": "design.optimise.methods",
    "SLSQP": "design.optimise.methods",
    "TrustConstr": "design.optimise.methods",
    "Adam": "design.optimise.methods",
    "Study": "design.airfoils.study",
    "CatalystStudy": "design.catalysts.study",
    "SimulatorStudy": "design.simulators.study",
    "InputSpec": "design.simulators.config",
    "OutputBound": "design.simulators.config",
    "AlloyDesign": "design.catalysts.alloys",
    "Target": "design.catalysts.alloys",
    "Verifier": "design.catalysts.config",
    "objective_of": "design.catalysts.alloys",
    "as_function": "design.interfaces.function",
    "as_openmdao": "design.interfaces.openmdao",
    "screen": "design.screening.screen",
    "ScreenConfig": "design.screening.config",
    "errors": "datasets.errors",
}
"""Each public name and the module that defines it, or that it is."""

__all__ = [*_HOMES]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    """Import a public name where it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'formwright' has no attribute {name!r}")
    module = importlib.import_module(f"formwright.{_HOMES[name]}")
    globals()[name] = value = getattr(module, name, module)
    return value


def __dir__() -> list[str]:
    """Return what there is, imported already or not."""
    return sorted({*globals(), *__all__})
