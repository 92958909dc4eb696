"""Which solver verifies, and what is said when it is not there."""

import pytest

from formwright.datasets.errors import MissingSolverError
from formwright.datasets.solvers.panel import Panel
from formwright.datasets.solvers.xfoil import XFoil
from formwright.design.verifiers import SolverName, choose


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
