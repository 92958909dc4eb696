"""Which solver verifies, and what is said when it is not there."""

import pytest

from formwright.datasets.errors import MissingSolverError
from formwright.datasets.solvers.openfoam.solver import OpenFOAM
from formwright.datasets.solvers.panel.solver import Panel
from formwright.datasets.solvers.xfoil.solver import XFoil
from formwright.design.airfoils.sweeps import SweepRange
from formwright.design.airfoils.verifiers import SolverName, choose


@pytest.fixture
def no_path(monkeypatch):
    monkeypatch.setenv("PATH", "")


def test_a_missing_binary_is_named(no_path):
    with pytest.raises(MissingSolverError, match="'xfoil' is not on the PATH.*apt-get install"):
        choose(SolverName.XFOIL)


def test_auto_falls_back_and_says_so(no_path):
    chosen = choose(SolverName.AUTO)
    assert isinstance(chosen.solver, Panel) and chosen.name is SolverName.PANEL
    assert "not installed" in chosen.why and chosen.least_step_deg == 0.5


def test_auto_prefers_xfoil(monkeypatch):
    monkeypatch.setattr(XFoil, "available", lambda self: True)
    assert choose().name is SolverName.XFOIL and choose().least_step_deg == 0.0


def test_the_panel_method_needs_nothing(no_path):
    assert isinstance(choose(SolverName.PANEL).solver, Panel)


def test_openfoam_is_asked_for_by_name_only(no_path):
    with pytest.raises(MissingSolverError, match="OpenFOAM"):
        choose(SolverName.OPENFOAM)


def test_a_dear_solver_is_asked_near_the_claim_alone(monkeypatch):
    monkeypatch.setattr(OpenFOAM, "require", lambda self: None)
    dear, cheap = choose(SolverName.OPENFOAM), choose(SolverName.PANEL)
    assert dear.fitted(SweepRange()).around([5.3]).tolist() == [4.0, 5.0, 6.0, 7.0]
    assert cheap.fitted(SweepRange()).around([5.3])[0] == -1.0
    assert cheap.fitted(SweepRange()).step_deg == 0.5
