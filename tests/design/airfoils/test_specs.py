"""What a study's file may say: defaults, tagged methods, and errors that name the key."""

import pytest

from formwright.datasets.airfoils.sections import load_section
from formwright.datasets.config import from_mapping, to_mapping
from formwright.datasets.errors import ConfigError
from formwright.design.airfoils.spaces.bspline import BSpline
from formwright.design.airfoils.specs import (
    BUILDERS,
    ConstraintKind,
    ConstraintSpec,
    SpaceKind,
    SpaceSpec,
)
from formwright.design.airfoils.study import Study
from formwright.design.loop import read_study
from formwright.design.optimise.methods import SLSQP, SQP, Adam

POINT = {"cl": 0.6, "reynolds": 5e5}


def study(**more):
    return from_mapping(Study, {"points": [POINT], **more}, where="study.toml")


def test_a_study_needs_only_points():
    assert study().method == SQP() and study().start == "naca0012"


def test_a_method_is_chosen_by_its_kind():
    made = study(
        method={"kind": "adam", "steps": 10, "polish": {"kind": "slsqp", "tolerance": 1e-4}}
    )
    assert made.method == Adam(steps=10, polish=SLSQP(tolerance=1e-4))


def test_a_study_survives_its_own_mapping():
    made = study(
        method={"kind": "trust-constr"},
        constraints=[{"kind": "thickness", "at": 0.3, "lower": 0.1}],
        space={"kind": "bspline", "trailing_edge": [0.0, 0.01]},
    )
    assert from_mapping(Study, to_mapping(made)) == made


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"metod": {}}, "no key 'metod'.*Did you mean 'method'"),
        ({"method": {"kind": "slsqpp"}}, "'slsqpp' is none of.*Did you mean 'slsqp'"),
        ({"method": {"kind": "slsqp", "max_iteration": 5}}, "method has no key 'max_iteration'"),
        ({"points": []}, "at least one"),
        ({"points": [{"cl": 0.5, "re": 1e6}]}, r"points\[0\] has no key 're'"),
        ({"objective": "drga"}, "Did you mean 'drag'"),
        ({"solver": "xfoyl"}, "Did you mean 'xfoil'"),
        ({"rounds": 0}, "rounds = 0"),
        ({"constraints": [{"kind": "thicknes"}]}, "Did you mean 'thickness'"),
        ({"space": {"n": 8.5}}, "should be of type int"),
        ({"seed": "one"}, "should be of type int"),
    ],
)
def test_mistakes_are_named(values, message):
    with pytest.raises(ConfigError, match=message):
        study(**values)


def test_files_are_named_too(tmp_path):
    path = tmp_path / "glider.toml"
    path.write_text("pionts = []\n")
    with pytest.raises(ConfigError, match="glider.toml has no key 'pionts'"):
        read_study(path)


@pytest.mark.parametrize("kind", ConstraintKind)
def test_every_kind_is_built_and_refuses_foreign_keys(kind, space, start):
    takes, _ = BUILDERS[kind]
    values = {"label": "cm", "lower": 0.01, "upper": 0.4, "at": 0.5, "factor": 2.0}
    spec = ConstraintSpec(kind=kind, **{name: values[name] for name in takes})
    built = spec.build(space.decode(start[None]))
    assert built.lower is not None or built.upper is not None
    foreign = next(name for name in values if name not in takes)
    with pytest.raises(ConfigError, match=f"not '{foreign}'"):
        ConstraintSpec(kind=kind, **{foreign: values[foreign]}).build(space.decode(start[None]))


def test_a_missing_key_is_named(space, start):
    with pytest.raises(ConfigError, match="needs 'at'"):
        ConstraintSpec(kind=ConstraintKind.THICKNESS, lower=0.1).build(space.decode(start[None]))


def test_a_space_is_built_as_told(points):
    pos = load_section("naca0012").pos
    made = SpaceSpec(kind=SpaceKind.BSPLINE, n=6).build(points, pos)
    assert isinstance(made, BSpline) and made.n == 6
    with pytest.raises(ConfigError, match="belongs to the CST"):
        SpaceSpec(kind=SpaceKind.BSPLINE, first_weight=0.1).build(points, pos)
