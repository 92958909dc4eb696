from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from formwright.cli import main
from formwright.datasets.atoms import mamun
from formwright.datasets.atoms.bulks import bulk, formation_ev_per_atom
from formwright.datasets.atoms.files.structures import read_structures, write_structures
from formwright.datasets.atoms.slabs.cut import cut
from formwright.datasets.atoms.structures import Structure
from formwright.datasets.errors import ConfigError, FormwrightError
from formwright.datasets.ledger import line_of
from formwright.design.screening import ranking as screen_ranking
from formwright.design.screening import screen as module
from formwright.design.screening.config import ScreenConfig
from formwright.design.screening.entries import alloy_of, entries
from formwright.design.screening.rows import _Found
from formwright.design.screening.screen import screen
from formwright.design.screening.sites import alloy_sites
from formwright.surrogate.atoms.adsorption import AdsorptionConfig, AdsorptionSurrogate
from formwright.surrogate.zoo import save


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    config = AdsorptionConfig(channels=8, layers=1, embedding=8, hidden=8, cutoff=4.0)
    surrogate = AdsorptionSurrogate(config)
    surrogate.trained_on[[1, 8, 22, 28, 29, 78]] = True
    path = tmp_path_factory.mktemp("weights") / "surrogate.safetensors"
    save(surrogate.eval(), path)
    return str(path)


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "ranking.csv").open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def test_the_most_stable_site_is_ranked(weights: str, tmp_path: Path) -> None:
    config = ScreenConfig(reaction="HER", surrogate=weights)
    result = screen("binaries:Pt,Ti", config, tmp_path, workers=1)
    assert result.counts == {"ranked": 5, "left out": 0, "failed": 0}
    surrogate = module.load(weights)
    for row in table(tmp_path):
        alloy = mamun.Alloy(row["prototype"], row["a"], row["b"])
        asked = [mamun.Row(alloy, "H", site) for site in alloy_sites(alloy.prototype, "all")]
        said = surrogate.predict(mamun.build(asked))["e_ads_ev"]
        assert float(row["e_H_ev"]) == pytest.approx(said.min(), abs=1e-4)
        assert row["site_H"] == asked[int(said.argmin())].site
        assert float(row["descriptor_ev"]) == pytest.approx(said.min() + 0.24, abs=1e-4)
    over = [float(row["overpotential_v"]) for row in table(tmp_path)]
    assert over == sorted(over) and [row["rank"] for row in table(tmp_path)] == list("12345")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 3 and result.best[0]["candidate"] in page


def test_of_two_as_active_the_one_nearer_to_the_optimum_comes_first(tmp_path: Path) -> None:
    said = [("late", 0.5, 0.3), ("far", 0.4, 0.5), ("near", 0.4, 0.9), ("same", 0.4, 0.9)]
    blank = {"status": "ranked", "reason": "", "elements": "Pt", "flag": "", "sites": 1}
    rows = [
        {"candidate": name, "index": i, "overpotential_v": over, "descriptor_ev": at, **blank}
        for i, (name, over, at) in enumerate(said)
    ]
    (tmp_path / "parts").mkdir()
    lines = "".join(map(line_of, rows))
    (tmp_path / "parts" / "00000.jsonl").write_text(lines, encoding="utf-8")
    result = screen_ranking.rank(tmp_path, ScreenConfig(reaction="ORR"), ["O", "OH"])
    assert [row["candidate"] for row in result.best] == ["near", "same", "far", "late"]
    assert [row["candidate"] for row in table(tmp_path)] == ["near", "same", "far", "late"]


def test_best_structures_are_those_of_the_ranking(weights: str, tmp_path: Path) -> None:
    config = ScreenConfig(reaction="ORR", surrogate=weights, best=2)
    result = screen("Pt3Ti,Cu,NiPt", config, tmp_path, workers=1)
    found = read_structures(tmp_path / "best.extxyz")
    assert len(found) == 4
    said = module.load(weights).predict(found)["e_ads_ev"]
    wanted = [row[f"e_{name}_ev"] for row in result.best for name in ("O", "OH")]
    np.testing.assert_allclose(said, wanted, atol=1e-4)


def test_bad_candidates_are_rows_with_reasons(weights: str, tmp_path: Path) -> None:
    names = ["Pt3Ti", "Pt5Ti", "Xx", "pt", "CuO", "Nd", "Cu", ""]
    (tmp_path / "list.txt").write_text("\n".join(names) + "\n# a remark\n", encoding="utf-8")
    config = ScreenConfig(reaction="HER", surrogate=weights, exclude=("Cu",), guesses=False)
    result = screen(str(tmp_path / "list.txt"), config, tmp_path / "out", workers=1)
    rows = {row["candidate"]: row for row in table(tmp_path / "out")}
    assert result.counts == {"ranked": 1, "left out": 3, "failed": 3}
    assert "A3B" in rows["Pt5Ti"]["reason"] and "Xx" in rows["Xx"]["reason"]
    assert "no formula" in rows["pt"]["reason"] and rows["Cu"]["reason"] == "excluded: Cu"
    assert "guess" in rows["Nd"]["reason"]
    assert all(row["e_H_ev"] == "" for name, row in rows.items() if name not in ("Pt3Ti", "Nd"))


def test_price_and_stability_rule_out(weights: str, tmp_path: Path) -> None:
    cheap = ScreenConfig(reaction="HER", surrogate=weights, price_at_most=100.0)
    screen("binaries:Pt,Ti", cheap, tmp_path / "cheap", workers=1)
    assert [r["candidate"] for r in table(tmp_path / "cheap") if r["rank"]] == ["Ti"]
    stable = ScreenConfig(reaction="HER", surrogate=weights, formation_at_most=-0.1)
    screen("binaries:Pt,Ti", stable, tmp_path / "stable", workers=1)
    for row in table(tmp_path / "stable"):
        formation = row["formation_ev_per_atom"]
        assert bool(row["rank"]) == (not formation or float(formation) <= -0.1)


def test_formation_is_measured_from_the_metals() -> None:
    known = mamun.known_lattice
    alloy, pt, ti = (
        known(mamun.Alloy(*x))
        for x in (("L12", "Pt", "Ti"), ("A1", "Pt", "Pt"), ("A1", "Ti", "Ti"))
    )
    if alloy and pt and ti:
        wanted = alloy[2] - 0.75 * pt[2] - 0.25 * ti[2]
        assert formation_ev_per_atom(mamun.Alloy("L12", "Pt", "Ti")) == pytest.approx(wanted)
    assert formation_ev_per_atom(mamun.Alloy("A1", "Cu", "Cu")) == pytest.approx(0.0)
    assert formation_ev_per_atom(mamun.Alloy("L12", "Nd", "Ti")) is None


def test_a_killed_screening_goes_on(
    weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = ScreenConfig(reaction="HER", surrogate=weights, chunk=2, sites="one")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    screen("binaries:Pt,Ti,Cu", config, whole, workers=1)
    real, calls = module._work, []

    def killed(chunk: module.Chunk, config: ScreenConfig) -> list[dict[str, object]]:
        calls.append(chunk[0])
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(chunk, config)

    monkeypatch.setattr(module, "_work", killed)
    with pytest.raises(KeyboardInterrupt):
        screen("binaries:Pt,Ti,Cu", config, broken, workers=1)
    assert len(list((broken / "parts").iterdir())) == 2 and not (broken / "ranking.csv").exists()
    calls.clear()
    calls.append(-1)
    calls.append(-1)
    calls.append(-1)
    screen("binaries:Pt,Ti,Cu", config, broken, workers=1)
    assert calls[3:] == [2, 3, 4, 5]
    assert (broken / "ranking.csv").read_bytes() == (whole / "ranking.csv").read_bytes()


def test_a_folder_holds_one_screening(weights: str, tmp_path: Path) -> None:
    screen("Pt", ScreenConfig(reaction="HER", surrogate=weights), tmp_path, workers=1)
    screen("Pt", ScreenConfig(reaction="HER", surrogate=weights, best=3), tmp_path, workers=1)
    with pytest.raises(ConfigError, match="candidates = Pt there, Cu asked"):
        screen("Cu", ScreenConfig(reaction="HER", surrogate=weights), tmp_path, workers=1)


def test_a_screening_that_failed_does_not_block_the_next(weights: str, tmp_path: Path) -> None:
    asked = ScreenConfig(reaction="HER", surrogate=weights)
    with pytest.raises(FormwrightError):
        screen(str(tmp_path / "none.extxyz"), asked, tmp_path / "out", workers=1)
    assert len(screen("Pt", asked, tmp_path / "out", workers=1).best) == 1


def slabs() -> list[Structure]:
    return [cut(bulk("Cu"), (1, 0, 0))[0], cut(bulk("Pt"), (1, 1, 1))[0]]


def test_structures_bare_given_and_bulk(weights: str, tmp_path: Path) -> None:
    given = mamun.build([mamun.Row(mamun.Alloy("L12", "Pt", "Ti"), "H", "top|A")])
    oxygen = mamun.build([mamun.Row(mamun.Alloy("A1", "Cu", "Cu"), "O", "top|A")])
    some = [*slabs(), *given, bulk("Ni"), *oxygen]
    names = ["copper", "platinum", "given", "nickel", "oxygen"]
    write_structures(tmp_path / "some.extxyz", some, name=names)
    config = ScreenConfig(reaction="HER", surrogate=weights)
    screen(str(tmp_path / "some.extxyz"), config, tmp_path / "out", workers=1)
    rows = {row["candidate"]: row for row in table(tmp_path / "out")}
    assert rows["given"]["site_H"] == "as given" and rows["given"]["sites"] == "1"
    assert int(rows["copper"]["sites"]) >= 3 and int(rows["platinum"]["sites"]) >= 4
    assert rows["nickel"]["status"] == "ranked"
    assert rows["oxygen"]["status"] == "failed" and "none of H" in rows["oxygen"]["reason"]
    said = module.load(weights).predict(given)["e_ads_ev"][0]
    assert float(rows["given"]["e_H_ev"]) == pytest.approx(said, abs=1e-4)


def test_formulas_are_alloys() -> None:
    assert alloy_of("Pt3Ti") == alloy_of("TiPt3") == mamun.Alloy("L12", "Pt", "Ti")
    assert alloy_of("PtNi") == alloy_of("NiPt") == mamun.Alloy("L10", "Ni", "Pt")
    assert alloy_of("Cu") == mamun.Alloy("A1", "Cu", "Cu")
    assert len(list(entries("binaries:Pt,Ni,Cu"))) == 3 + 6 + 3


def test_a_table_may_spell_an_alloy_either_way(tmp_path) -> None:
    table = tmp_path / "some.csv"
    table.write_text("prototype,a,b\nL10,Pt,Ni\nL10,Ni,Pt\nL10,Pt,Pt\n")
    first, second, wrong = entries(str(table))
    assert first.alloy == second.alloy == mamun.Alloy("L10", "Ni", "Pt")
    assert wrong.alloy == mamun.Alloy("L10", "Pt", "Pt")


def test_water_brings_platinum_to_the_top_of_the_metals(tmp_path) -> None:
    asked = {name: ScreenConfig(reaction="ORR", water=name) for name in ("pt111", "none")}
    metals = ",".join(mamun.metals())
    rank = {}
    for name, config in asked.items():
        best = screen(metals, config, tmp_path / name, workers=1).best
        rank[name] = next(i for i, row in enumerate(best) if row["candidate"] == "Pt")
    assert rank["pt111"] < rank["none"] and rank["pt111"] < 6


def test_water_is_of_oxygen_reduction_and_goes_by_name() -> None:
    def of_oh(**given) -> float:
        return ScreenConfig(**given).correction_ev("OH")

    assert of_oh(reaction="ORR") == pytest.approx(0.35 - 0.575)
    assert of_oh(reaction="ORR", water="none") == of_oh(reaction="OER") == pytest.approx(0.35)
    assert of_oh(reaction="ORR", corrections={"OH": 0.2}) == 0.2
    with pytest.raises(ConfigError, match=r"'sea'.*pt111, none"):
        ScreenConfig(reaction="ORR", water="sea")


@pytest.mark.parametrize(
    "given", ["", "nofile.extxyz", "binaries:", "binaries:Xx", "binaries:O,Pt"]
)
def test_what_are_no_candidates(given: str) -> None:
    with pytest.raises(FormwrightError):
        list(entries(given))


def test_two_workers_say_the_same(weights: str, tmp_path: Path) -> None:
    config = ScreenConfig(reaction="HER", surrogate=weights, chunk=3, sites="one")
    screen("binaries:Pt,Ti", config, tmp_path / "one", workers=1)
    screen("binaries:Pt,Ti", config, tmp_path / "two", workers=2)
    names = [tmp_path / name / "ranking.csv" for name in ("one", "two")]
    assert names[0].read_bytes() == names[1].read_bytes()


def test_the_command(weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = ["--surrogate", weights, "--workers", "1", "--correction", "H=0.3"]
    out = ["--out", str(tmp_path)]
    assert main(["screen", "Pt3Ti,Pt5Ti", "--reaction", "HER", *out, *more]) == 1
    shown = capsys.readouterr().out
    assert "Pt3Ti" in shown and "Pt5Ti" in shown
    assert json.loads((tmp_path / "screen.json").read_text())["corrections_ev"] == {"H": 0.3}
    assert main(["screen", "Pt", "--reaction", "HERR", *out, *more]) == 2
    assert "HER" in capsys.readouterr().err
    assert main(["screen", "Pt", "--reaction", "CO2RR", *out, *more]) == 2
    assert "COOH" in capsys.readouterr().err


def test_another_facet_is_flagged_and_may_be_left_out(tmp_path: Path) -> None:
    slabs = [cut(bulk("Cu", "A1"), miller)[0] for miller in ((1, 1, 1), (1, 0, 0))]
    write_structures(tmp_path / "bare.extxyz", slabs, name=["close packed", "square"])
    for guesses, status in ((True, "ranked"), (False, "left out")):
        config = ScreenConfig(reaction="HER", guesses=guesses)
        screen(str(tmp_path / "bare.extxyz"), config, tmp_path / status, workers=1)
        rows = {row["candidate"]: row for row in table(tmp_path / status)}
        near, far = rows["close packed"], rows["square"]
        assert near["status"] == "ranked" and float(near["support"]) < 1.0 and not near["flag"]
        assert far["status"] == status and float(far["support"]) > 1.0
        assert "outside of what it learned from" in far["flag"]


def test_a_flag_counts_where_it_is_about_the_most_stable_site() -> None:
    found = _Found()
    found.offer("H", "top", (0.5, 0.4, 0.6), ("far",), 3.0)
    assert found.flags == {"H": ("far",)} and found.support == {"H": 3.0}
    found.offer("H", "hollow", (0.1, 0.0, 0.2), (), 0.5)
    found.offer("H", "bridge", (0.3, 0.2, 0.4), ("near a step",), 2.0)
    assert found.best["H"][0] == "hollow" and found.sites == 3
    assert found.flags == {"H": ()} and found.support == {"H": 0.5}


@pytest.mark.parametrize("value", [-10.5, 1e300, float("nan")])
def test_a_correction_that_is_no_free_energy_is_refused(value):
    with pytest.raises(ConfigError, match="the correction H = .* is no free energy"):
        ScreenConfig(reaction="HER", corrections={"H": value})


@pytest.mark.parametrize("suffix", [".csv", ".txt"])
def test_a_table_in_another_coding_is_named(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"c{suffix}"
    path.write_bytes(b"formula\nPt3Ti\nC\xf5\n")
    with pytest.raises(ConfigError, match="is no table in UTF-8"):
        list(entries(str(path)))


def test_a_short_row_costs_itself_alone(weights: str, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("prototype,a,b\nL12\nA1,Cu,Cu\n")
    config = ScreenConfig(reaction="HER", surrogate=weights, sites="one")
    done = screen(str(tmp_path / "c.csv"), config, tmp_path / "out", workers=1)
    assert done.counts["ranked"] == done.counts["failed"] == 1
