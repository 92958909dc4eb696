"""A study of catalysts on disk: what it promises to write, what it never proposes, kill, resume."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from formwright.cli import main
from formwright.datasets.atoms import mamun
from formwright.datasets.atoms.files.structures import read_structures
from formwright.datasets.atoms.mamun import Alloy
from formwright.datasets.config import from_mapping
from formwright.datasets.errors import ConfigError, UnknownNameError
from formwright.datasets.solvers.ase.solver import emt
from formwright.design import loop
from formwright.design.catalysts import verify as catalyst_verify
from formwright.design.catalysts.alloys import Claim, Proposal, Target
from formwright.design.catalysts.config import Verifier
from formwright.design.catalysts.labels import Label, drawn
from formwright.design.catalysts.report import write_report
from formwright.design.catalysts.study import CatalystStudy
from formwright.design.catalysts.verify import TABLE, choose, verify
from formwright.design.loop import read_study, run

STUDY = {
    "name": "small",
    "encoder": "none",
    "network": {"channels": 8, "layers": 1, "cutoff": 4.0, "radial": 4, "embedding": 16},
    "labels": 60,
    "steps": 6,
    "more_steps": 3,
    "rounds": 2,
    "verifier": "table",
    "exclude": ["Au"],
    "threads": 1,
    "design": {
        "elements": ["Pt", "Ti", "Cu", "Ni", "Au", "Al"],
        "proposals": 4,
        "starts": 3,
        "steps": 2,
        "exchanges": 1,
    },
}
SLOW = """
import sys, time
from formwright.datasets.config import from_mapping
from formwright.design.catalysts import rounds as catalyst_rounds
from formwright.design.catalysts.study import CatalystStudy
from formwright.design.loop import run

search, calls = catalyst_rounds.propose, []

def slow(*args, **more):
    calls.append(1)
    time.sleep(600 if len(calls) == 2 else 0)
    return search(*args, **more)

catalyst_rounds.propose = slow
run(from_mapping(CatalystStudy, STUDY), sys.argv[1], progress=False)
"""


def make(**more):
    return from_mapping(CatalystStudy, {**STUDY, **more})


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    return run(make(), tmp_path_factory.mktemp("study") / "run", progress=False)


def rows(folder):
    return [json.loads(line) for line in (folder / "labels.jsonl").read_text().splitlines()]


def test_the_folder_holds_all_that_is_promised(done):
    names = {path.name for path in done.folder.iterdir()}
    files = {"study.toml", "labels.jsonl", "result.json", "proposals.csv", "best.extxyz"}
    assert names == files | {"report.html", "round-1", "round-2", "state"}
    assert read_study(done.folder / "study.toml") == make()


def test_verdicts_are_those_of_the_table(done):
    known = mamun.most_stable("H")
    assert done.result["proposals"] and done.judged == (len(done.result["proposals"]),) * 2
    for row in done.result["proposals"]:
        energy, site = known[Alloy(**row["alloy"])]
        verdict, claim = row["verdicts"]["H"], row["claims"]["H"]
        assert (verdict["energy_ev"], verdict["site"]) == (energy, site)
        assert row["hit"] == (abs(energy + 0.24) < 0.1)
        assert verdict["within"] == (claim["lower_ev"] <= energy <= claim["upper_ev"])
    assert done.verified == sum(row["hit"] for row in done.result["proposals"])


def test_no_label_is_proposed_nothing_twice_and_nothing_excluded(done):
    begun = [row for row in rows(done.folder) if row["use"] != "verdict"]
    assert len(begun) == 60 and sum(row["use"] == "held" for row in begun) == 6
    seen = {
        mamun.canonical(Alloy(row["prototype"], row["a"], row["b"]))
        for row in begun
        if row["adsorbate"] == "H"
    }
    said = [Alloy(**row["alloy"]) for row in done.result["proposals"]]
    assert not seen & set(said) and len(set(said)) == len(said)
    assert not any("Au" in alloy.pair for alloy in said)


def test_verdicts_of_a_round_are_labels_of_the_next(done):
    first, second = done.result["rounds"]
    told = [row for row in rows(done.folder) if row["use"] == "verdict"]
    assert {row["adsorbate"] for row in told} == {"H"}
    new = sum(row["round"] == 1 for row in told)
    assert second["training"]["labels"] == first["training"]["labels"] + new > 54


def test_chance_counts_what_could_have_been_proposed(done):
    chance = done.result["chance"]
    assert 0 <= chance["hits"] <= chance["alloys"] < 60
    assert chance["share"] == pytest.approx(chance["hits"] / chance["alloys"])


def test_table_and_structures_are_those_of_the_result(done):
    with (done.folder / "proposals.csv").open(newline="") as lines:
        table = list(csv.DictReader(lines))
    assert [row["name"] for row in table] == [row["name"] for row in done.result["proposals"]]
    found = read_structures(done.folder / "best.extxyz")
    placed = [row for row in done.result["proposals"] if row["file_index"] is not None]
    assert len(found) == len(placed)
    for row in placed:
        assert set(row["alloy"].values()) - {row["alloy"]["prototype"]} == set(
            found[row["file_index"]].elements[:-1]
        )


def test_a_finished_study_is_not_repeated_and_its_folder_is_its_own(done):
    before = (done.folder / "result.json").stat().st_mtime_ns
    assert run(make(), done.folder).verdict == done.verdict
    assert (done.folder / "result.json").stat().st_mtime_ns == before
    with pytest.raises(ConfigError, match="holds another study.*resume=False"):
        run(make(seed=1), done.folder)


def test_the_report_needs_nothing_else(done):
    text = write_report(done.folder).read_text()
    assert done.verdict in text and "BEEF-vdW against RPBE" in text
    assert text.count("<svg") >= 5 and "src=" not in text and "NaN" not in text


def test_killed_and_resumed_it_finds_the_same(tmp_path, done):
    """Kill -9 in the second search; the first round and the second training are not repeated."""
    script = tmp_path / "slow.py"
    script.write_text(SLOW.replace("STUDY)", f"{STUDY!r})"))
    folder = tmp_path / "run"
    process = subprocess.Popen([sys.executable, str(script), str(folder)])
    marker = folder / "round-2" / "training.json"
    try:
        end = time.monotonic() + 240
        while not marker.exists():
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    kept = {path: path.stat().st_mtime_ns for path in folder.glob("round-*/*.json")}
    assert not (folder / "result.json").exists() and len(kept) == 6
    again = run(make(), folder, progress=False)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert again.result["proposals"] == done.result["proposals"]


def test_a_given_surrogate_is_not_trained_and_sees_none_of_its_training_pairs(tmp_path, done):
    design = {"proposals": 4, "starts": 3, "steps": 1, "exchanges": 3, "prototypes": ["L12"]}
    study = make(surrogate=str(done.folder / "round-1"), rounds=1, design=design)
    found = run(study, tmp_path / "given", progress=False)
    assert found.result["rounds"][0]["training"] == {}
    pairs = [Alloy(**row["alloy"]).pair for row in found.result["proposals"]]
    assert all(mamun.split_of(pair) == "test" for pair in pairs)
    assert "None" in found.verdict or found.judged[0] > 0


def test_a_given_surrogate_is_verified_by_an_oracle_moved_to_its_training_pairs(tmp_path, done):
    """Of the pairs of metals that EMT knows, silver and gold alone are among the test pairs."""
    elements = ["Ag", "Au"]
    assert mamun.split_of(("Ag", "Au")) == "test"
    design = {"proposals": 3, "starts": 24, "steps": 1, "exchanges": 1, "elements": elements}
    given = {"surrogate": str(done.folder / "round-1"), "rounds": 1, "exclude": []}
    study = make(**given, verifier="chgnet", design=design)
    found = run(study, tmp_path / "oracle", oracle=emt(), progress=False)
    assert found.judged[0] == len(found.result["proposals"]) > 0
    assert all(row["verdicts"]["H"]["error_ev"] > 0 for row in found.result["proposals"])


def proposal(alloy, site):
    return Proposal(
        alloy=alloy, hit=0.5, claims={"H": Claim(energy_ev=-0.2, std_ev=0.1, site=site)}
    )


def test_an_oracle_is_moved_to_the_labels_and_failures_have_reasons():
    judge = choose(Verifier.AUTO, oracle=emt())
    metals = {"Cu", "Pt", "Ni", "Pd", "Ag", "Au"}
    labels = [
        Label(row=row, energy_ev=float(energy), use="train")
        for row, energy in zip(*mamun.table(), strict=True)
        if row.adsorbate == "H" and set(row.alloy.pair) <= metals and "hollow" in row.site
    ][:20]
    outside = [
        proposal(Alloy("L12", "Pt", "Cu"), "top|A"),
        proposal(Alloy("L10", "Ti", "W"), "top|A"),
    ]
    known = catalyst_verify.judged_by_table((Target(),))
    forced = choose(Verifier.CHGNET, oracle=emt())
    (first,), *_ = [list(row.values()) for row in verify(forced, outside[:1], (Target(),), labels)]
    assert first.source.startswith("emt") and first.error_ev > 0 and not first.reason
    (failed,) = verify(forced, outside[1:], (Target(),), labels)
    assert failed["H"].reason and catalyst_verify.is_hit(failed, (Target(),)) is None
    (none,) = verify(choose(Verifier.CHGNET, oracle=emt()), outside[:1], (Target(),), [])
    assert "offset takes 3" in none["H"].reason
    for row in verify(judge, [p for p in outside if p.alloy in known], (Target(),), labels):
        assert row["H"].source == TABLE


@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        ({"labels": 0}, ConfigError, "labels = 0"),
        ({"held_share": 1.0}, ConfigError, "held_share"),
        ({"surrogate": "adsorption-mamun"}, ConfigError, "rounds = 1"),
        ({"design": {"targets": [{"adsorbate": "OOH"}]}}, UnknownNameError, "They are"),
        ({"design": {"elements": ["Pt", "Au"]}}, ConfigError, "fewer than two elements"),
        ({"desing": {}}, ConfigError, "'design'"),
    ],
)
def test_mistakes_are_named(more, error, message):
    with pytest.raises(error, match=message):
        make(**more)


def test_a_surrogate_of_polars_is_refused_by_name(tmp_path):
    with pytest.raises(ConfigError, match="'airfoil-polar' predicts cl, cd.*not e_ads_ev"):
        run(make(surrogate="airfoil-polar", rounds=1), tmp_path, progress=False)


def test_labels_are_drawn_by_the_seed():
    first, again, other = drawn(50, 0.1, 0), drawn(50, 0.1, 0), drawn(50, 0.1, 1)
    assert first == again != other
    assert len({one.row for one in first}) == 50


def test_the_command_runs_a_study_and_writes_its_report_again(
    tmp_path: Path, done, capsys: pytest.CaptureFixture[str]
):
    assert main(["optimize", str(done.folder / "study.toml"), "--out", str(done.folder)]) in (0, 1)
    assert "report.html" in capsys.readouterr().out
    assert main(["report", str(done.folder)]) == 0
    (tmp_path / "bad.toml").write_text('kind = "catalist"\n')
    assert main(["optimize", str(tmp_path / "bad.toml")]) == 2
    assert "'catalyst'" in capsys.readouterr().err


def test_the_shipped_study_can_be_read():
    found = read_study(Path(loop.__file__).parent / "studies" / "hydrogen.toml")
    assert isinstance(found, CatalystStudy) and found.labels == 1638
