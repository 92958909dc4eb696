from __future__ import annotations

import sys

import numpy as np
import pytest

import formwright
from formwright.datasets.errors import ConfigError


def drag_and_lift():
    points = formwright.OperatingPoints.at_lift([0.4, 0.8], reynolds=1e6)
    space = formwright.CST(points=points, n=4)
    return formwright.as_function(formwright.load("airfoil-polar"), space, ["cd", "cl"])


@pytest.mark.filterwarnings("ignore")
def test_a_component_has_the_values_and_the_partials_of_its_function(tmp_path, monkeypatch):
    om = pytest.importorskip("openmdao.api")
    monkeypatch.chdir(tmp_path)
    function = drag_and_lift()
    problem = om.Problem(reports=False)
    problem.model.add_subsystem("wing", formwright.as_openmdao(function), promotes=["*"])
    problem.setup()
    x = problem.get_val("x") * 0.9
    problem.set_val("x", x)
    problem.run_model()
    values = function(x)
    np.testing.assert_array_equal(problem.get_val("cd"), values[:2])
    np.testing.assert_array_equal(problem.get_val("cl"), values[2:])
    checked = problem.check_partials(out_stream=None, method="fd", form="central", step=1e-5)
    for row in checked["wing"].values():
        exact, differences = row["J_fwd"], row["J_fd"]
        assert np.abs(exact - differences).max() < 1e-6 * max(1.0, np.abs(exact).max())


def test_without_openmdao_the_error_says_what_to_install(monkeypatch):
    function = drag_and_lift()
    monkeypatch.setitem(sys.modules, "openmdao.api", None)
    with pytest.raises(ConfigError, match="pip install openmdao"):
        formwright.as_openmdao(function)
