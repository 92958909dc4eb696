from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import add_adsorbate, fcc111

from formwright.cli import main
from formwright.datasets.atoms import mamun
from formwright.datasets.atoms.files.structures import write_structures
from formwright.datasets.atoms.structures import from_ase
from formwright.surrogate.atoms.adsorption import AdsorptionConfig, AdsorptionSurrogate
from formwright.surrogate.zoo import load, save

HEADER = "id,site,adsorbate,b,a,prototype"
GOOD = "1,hollow|A_A_B|FCC,OH,Ti,Pt,L12"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    config = AdsorptionConfig(channels=8, layers=1, embedding=8, hidden=8, cutoff=4.0)
    surrogate = AdsorptionSurrogate(config)
    surrogate.trained_on[[1, 6, 8, 22, 28, 29, 78]] = True
    path = tmp_path_factory.mktemp("weights") / "surrogate.safetensors"
    save(surrogate.eval(), path)
    return str(path)


def predict(weights: str, *more: str, out: Path) -> tuple[int, list[dict[str, str]]]:
    code = main(["predict", weights, *more, "--out", str(out)])
    with out.open(newline="", encoding="utf-8") as handle:
        return code, list(csv.DictReader(handle))


def test_a_table_keeps_order_and_columns(weights: str, tmp_path: Path) -> None:
    rows = [
        mamun.Row(mamun.Alloy("L12", "Pt", "Ti"), "OH", "hollow|A_A_B|FCC"),
        mamun.Row(mamun.Alloy("A1", "Cu", "Cu"), "H", "top|A"),
        mamun.Row(mamun.Alloy("L10", "Ni", "Pt"), "CH3", "bridge|A_B|A"),
        mamun.Row(mamun.Alloy("L12", "Ti", "Pt"), "OH", "hollow|A_A_B|FCC"),
    ] * 40
    lines = [
        f"{i},{r.site},{r.adsorbate},{r.alloy.b},{r.alloy.a},{r.alloy.prototype}"
        for i, r in enumerate(rows)
    ]
    (tmp_path / "cases.csv").write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    given = ["--cases", str(tmp_path / "cases.csv"), "--std"]
    code, found = predict(weights, *given, out=tmp_path / "out.csv")
    new = ["e_ads_ev", "e_ads_ev_std", "e_ads_ev_lower", "e_ads_ev_upper"]
    assert code == 0 and list(found[0]) == [*HEADER.split(","), *new]
    assert [row["id"] for row in found] == [str(i) for i in range(len(rows))]
    said = load(weights).predict(mamun.build(rows))
    for name in new:
        np.testing.assert_allclose([float(r[name]) for r in found], said[name], atol=2e-5)


BAD = {
    "2,hollow|A_A_B|FCC,OH,Xx,Pt,L12": "'Xx'",
    "2,hollow|A_A_B|FCC,CO,Ti,Pt,L12": "trained on",
    "2,hollow|A_A_B,OH,Ti,Pt,L12": "Its sites",
    "2,hollow|A_A_B|FCC,OH,Ti,Pt,L13": "'L12'",
    "2,top|A,OH,Ti,Pt,A1": "a = b",
    "2,top|A,OH,Pt,Pt,L10": "two elements",
    "2,top|A": "2 cells",
}


@pytest.mark.parametrize(("row", "quoted"), BAD.items(), ids=BAD.values())
def test_a_bad_row_keeps_its_place(weights: str, tmp_path: Path, row: str, quoted: str) -> None:
    text = f"{HEADER}\n{GOOD}\n{row}\n{GOOD}\n"
    (tmp_path / "cases.csv").write_text(text, encoding="utf-8")
    code, found = predict(weights, "--cases", str(tmp_path / "cases.csv"), out=tmp_path / "out.csv")
    assert code == 1
    assert [bool(one["e_ads_ev"]) for one in found] == [True, False, True]
    assert quoted in found[1]["reason"] and not found[0]["reason"]


def test_an_element_outside_the_training_data_is_flagged(
    weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"{HEADER}\n{GOOD}\n2,top|A,OH,Nd,Pt,L12\n"
    (tmp_path / "cases.csv").write_text(text, encoding="utf-8")
    code, found = predict(weights, "--cases", str(tmp_path / "cases.csv"), out=tmp_path / "out.csv")
    assert code == 0 and found[1]["e_ads_ev"] and "Nd: not in" in found[1]["flag"]
    assert not found[0]["flag"] and "guess" in capsys.readouterr().err


def test_structures(weights: str, tmp_path: Path) -> None:
    rows = [
        mamun.Row(mamun.Alloy("L12", "Pt", "Ti"), "OH", "hollow|A_A_B|FCC"),
        mamun.Row(mamun.Alloy("A1", "Cu", "Cu"), "H", "top|A"),
    ]
    good = mamun.build(rows)
    bare = dataclasses.replace(good[0], tags=np.minimum(good[0].tags, 1))
    squeezed = dataclasses.replace(good[0], pos=0.3 * good[0].pos)
    some = [good[0], squeezed, bare, good[1]]
    write_structures(tmp_path / "some.extxyz", some, name=["one", "squeezed", "bare", "two"])
    given = ["--structures", str(tmp_path / "some.extxyz")]
    code, found = predict(weights, *given, out=tmp_path / "out.csv")
    assert code == 1 and [row["name"] for row in found] == ["one", "squeezed", "bare", "two"]
    said = load(weights).predict(good)["e_ads_ev"]
    values = [float(found[0]["e_ads_ev"]), float(found[3]["e_ads_ev"])]
    np.testing.assert_allclose(values, said, atol=1e-4)
    assert "overlap" in found[1]["reason"] and "tag 2" in found[2]["flag"]
    assert found[0]["adsorbate"] == "OH"


def test_what_is_unlike_the_training_data_is_flagged(tmp_path: Path) -> None:
    one = mamun.build([mamun.Row(mamun.Alloy("A1", "Pt", "Pt"), "O", "hollow|A_A_A|FCC")])[0]
    lifted = one.pos.copy()
    lifted[-1, 2] += 3.0
    cell = one.cell.copy()
    cell[2, 2] += 3.0
    far = dataclasses.replace(one, pos=lifted, cell=cell)
    guessed = dataclasses.replace(far, tags=np.zeros(len(far), int))
    write_structures(tmp_path / "some.extxyz", [one, far, guessed], name=["near", "far", "bare"])
    given = ["--structures", str(tmp_path / "some.extxyz")]
    code, (near, away, bare) = predict("adsorption-mamun", *given, out=tmp_path / "out.csv")
    assert code == 0 and float(near["support"]) < 1.0 < float(away["support"])
    assert not near["flag"] and "outside of what it learned from" in away["flag"]
    assert "no tags" in bare["flag"] and "; outside of what it learned from" in bare["flag"]


def test_rows_of_alloys_have_their_support(tmp_path: Path) -> None:
    (tmp_path / "cases.csv").write_text(f"{HEADER}\n{GOOD}\n", encoding="utf-8")
    given = ["--cases", str(tmp_path / "cases.csv")]
    code, (row,) = predict("adsorption-mamun", *given, out=tmp_path / "out.csv")
    assert code == 0 and 0.0 < float(row["support"]) < 1.0 and "flag" not in row


def test_cases_or_structures(weights: str, tmp_path: Path) -> None:
    assert main(["predict", weights, "--out", str(tmp_path / "o.csv")]) == 2
    missing = str(tmp_path / "missing.extxyz")
    assert main(["predict", weights, "--structures", missing, "--out", "o.csv"]) == 2


def test_a_bad_frame_costs_itself_alone(weights: str, tmp_path: Path) -> None:
    good = mamun.build([mamun.Row(mamun.Alloy("A1", "Cu", "Cu"), "H", "top|A")])[0]
    flat, long = good.cell.copy(), good.cell.copy()
    flat[1], long[2, 2] = flat[0], 1e6
    apart = dataclasses.replace(good, z=good.z.copy(), tags=good.tags.copy())
    apart.z[11], apart.tags[11] = 8, 2
    bad = [dataclasses.replace(good, cell=flat), dataclasses.replace(good, cell=long), apart]
    names = ["first", "flat", "long", "apart", "last"]
    write_structures(tmp_path / "some.extxyz", [good, *bad, good], name=names)
    text = (tmp_path / "some.extxyz").read_text(encoding="utf-8")
    lost = "1\nname=lost\nQq 0 0 0\n"
    (tmp_path / "some.extxyz").write_text(lost + text, encoding="utf-8")
    given = ["--structures", str(tmp_path / "some.extxyz")]
    code, found = predict(weights, *given, out=tmp_path / "out.csv")
    assert code == 1 and [row["name"] for row in found] == ["", *names]
    assert [bool(row["e_ads_ev"]) for row in found] == [False, True, False, False, False, True]
    said = ["Qq", "", "without volume", "more than 10000", "2 pieces", ""]
    assert all(words in row["reason"] for words, row in zip(said, found, strict=True))


def test_layer_numbers_of_ase(weights: str, tmp_path: Path) -> None:
    slab = fcc111("Cu", (2, 2, 2), vacuum=8)
    add_adsorbate(slab, "H", 1.0, "fcc")
    write_structures(tmp_path / "one.extxyz", [from_ase(slab)])
    given = ["--structures", str(tmp_path / "one.extxyz")]
    code, found = predict(weights, *given, out=tmp_path / "out.csv")
    assert code == 0 and found[0]["adsorbate"] == "H" and "flag" not in found[0]
