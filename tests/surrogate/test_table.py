from __future__ import annotations

import sys
import warnings
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import formwright
from formwright.datasets.airfoils.sections import load_section
from formwright.datasets.errors import ConfigError, OutOfRangeWarning, UnknownNameError
from formwright.surrogate.airfoils.polar import PolarSurrogate
from formwright.surrogate.table import Table

CONDITIONS = {"alpha_deg": [0.0, 2.0, 4.0], "reynolds": 1e6}


@pytest.fixture(scope="module")
def shipped() -> PolarSurrogate:
    return formwright.load("airfoil-polar")


@pytest.fixture(scope="module")
def table(shipped: PolarSurrogate) -> Table:
    return shipped.predict(["e387", "naca2412"], **CONDITIONS, fields=True)


def test_it_is_a_mapping_of_what_is_said_of_each_label(table: Table) -> None:
    assert list(table)[:2] == ["cl", "cd"] and len(table) == len(list(table)) == 23
    assert "cl_std" in table and "cp_top" in table and "clmax" not in table
    assert table.support is table["support"]
    for name in ("cl", "cd", "cm", "xtr_top", "xtr_bottom"):
        assert table.mean[name] is table[name] and table.std[name] is table[f"{name}_std"]
        assert (table[f"{name}_lower"] <= table[name]).all()
        assert (table[name] <= table[f"{name}_upper"]).all()
    with pytest.raises(UnknownNameError, match="'cl_low'.*cl_lower"):
        table["cl_low"]
    assert table.units["cd_std"] == "1" and table.units["xtr_top_upper"] == "chord"


def test_a_data_frame_has_a_row_a_point(table: Table) -> None:
    pandas = pytest.importorskip("pandas")
    frame = table.to_dataframe()
    assert isinstance(frame, pandas.DataFrame) and len(frame) == 6
    assert frame["section"].tolist() == ["e387"] * 3 + ["naca2412"] * 3
    assert frame["alpha_deg"].tolist() == [0.0, 2.0, 4.0] * 2
    assert frame["cl_upper"].to_numpy() == pytest.approx(table["cl_upper"].ravel(), abs=0.0)
    assert frame["flag"].tolist() == [""] * 6 and "cp_top" not in frame


def test_a_data_set_has_fields_units_and_coordinates(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = SimpleNamespace(Dataset=lambda data, coords, attrs: (data, coords, attrs))
    monkeypatch.setitem(sys.modules, "xarray", stand_in)
    data, coords, attrs = table.to_xarray()
    assert data["cp_top"][0] == ("case", "point", "station") and attrs == {"level": 0.9}
    assert data["cp_top"][1].shape == (2, 3, 32) and coords["station"][1].shape == (32,)
    assert data["xtr_top"][2] == {"units": "chord"} and coords["section"][0] == ("case", "point")


@pytest.mark.parametrize("module", ["pandas", "xarray"])
def test_what_is_not_installed_is_named(
    module: str, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=f"needs {module}.*pip install {module}"):
        table.to_dataframe() if module == "pandas" else table.to_xarray()


def test_text_and_page_are_short_and_show_what_is_said(shipped: PolarSurrogate) -> None:
    names = ["<b>mine</b>" * 30, *["naca2412"] * 99]
    sections = [replace(load_section("e387"), name=name) for name in names]
    table = shipped.predict(sections, alpha_deg=np.linspace(-5, 9, 40), reynolds=1e6)
    text, page = repr(table), table._repr_html_()
    assert len(text) < 1500 and len(text.splitlines()) < 12
    assert "100 x 40" in text and "90% interval" in text and "and 3995 more" in text
    assert f"{table['cl'][0, 0]:.4g} ±" in text
    assert len(page) < 6000 and "<b>" not in page and "&lt;b&gt;mine" in page
    assert page.count("<tr>") == 11


def test_flags_say_which_points_are_extrapolations(shipped: PolarSurrogate) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OutOfRangeWarning)
        table = shipped.predict("e387", alpha_deg=[0.0, 22.0], reynolds=[[1e6], [1e3]])
    assert table.shape == (2, 2) and table.flags[0, 0] == ""
    assert "alpha_deg = 22.0149 in the sections' own axes" in table.flags[0, 1]
    assert "reynolds = 1000 lies outside the training range" in table.flags[1, 0]
    assert "alpha_deg" in table.flags[1, 1] and "reynolds" in table.flags[1, 1]
    assert "3 of 4 are guesses" in repr(table)
