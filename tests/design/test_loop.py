"""The one loop with a study of somebody else's: a parabola, and a surrogate that is corrected."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import ClassVar

import pytest

from formwright.datasets.errors import ConfigError, FolderInUseError
from formwright.datasets.files import write_text
from formwright.design.loop import Study, Summary, Work, run


class Interrupted(RuntimeError):
    pass


class Steps:
    """Counts the stages and raises in the one that is asked for."""

    def __init__(self, stop: int | None = None) -> None:
        self.seen: list[str] = []
        self.stop = stop

    def __call__(self, stage: str) -> None:
        self.seen.append(stage)
        if len(self.seen) == self.stop:
            raise Interrupted


@dataclass
class ParabolaWork:
    """The surrogate's minimum is off by 2, and its value by 5, until a verdict corrects it."""

    study: Parabola
    steps: Steps

    def start(self):
        self.steps("start")
        return {"x": self.study.x0, "claimed": self.surrogate(self.study.x0, (0.0, 0.0))}

    def surrogate(self, x, model):
        shift, lift = model
        return (x - 3.0 - shift) ** 2 + 5.0 - lift

    def refit(self, rounds, place):
        self.steps("refit")
        last = rounds[-1]
        shift, lift = last.model or (0.0, 0.0)
        off = last.verdicts["y"] - last.claims["claimed"]
        return shift - 0.5 * (len(rounds) > 1), lift - off

    def propose(self, model, rounds, place):
        self.steps("propose")
        return {"x": 3.0 + model[0] + 0.1 * self.study.seed}

    def claim(self, model, proposal):
        self.steps("claim")
        return {"x": proposal["x"], "claimed": self.surrogate(proposal["x"], model)}

    def verify(self, claims):
        self.steps("verify")
        return {"y": (claims["x"] - 1.0) ** 2 + 0.1}

    def read(self, verdicts):
        return verdicts

    def labels(self, rounds):
        self.steps("labels")
        return [{"x": one.claims["x"], "y": one.verdicts["y"]} for one in rounds]

    def ranks(self, found):
        self.steps("ranks")
        return [found.verdicts["y"]]

    def conclude(self, rounds, order, folder):
        self.steps("conclude")
        best = order[0][0]
        reasons = [] if best.index else ["no better than the start"]
        write_text(folder / "best.txt", str(best.claims["x"]))
        sides = {"claimed": best.claims["claimed"], "verified": best.verdicts["y"]}
        return {
            "verdict": f"{best.verdicts['y']:g}",
            "reasons": reasons,
            "best": best.index,
            "x": best.claims["x"],
            "offsets": [one.model for one in rounds],
            **sides,
        }


@dataclass(frozen=True)
class Parabola:
    x0: float = 4.0
    rounds: int = 3
    seed: int = 0
    place: ClassVar[str] = "turn-{}"
    written: ClassVar[tuple[str, ...]] = ("best.txt",)
    reads: ClassVar[tuple[str, ...]] = ()

    def begin(self, *, steps: Steps | None = None) -> Work:
        if self.x0 < 0.0:
            raise ConfigError(f"x0 = {self.x0:g} is below zero.")
        return ParabolaWork(self, steps or Steps())

    def summary(self, result):
        said = {key: result[key] for key in ("claimed", "verified")}
        return Summary(**said, judged=(1, 1), reasons=tuple(result["reasons"]))

    def report(self, folder):
        write_text(folder / "report.html", "<p>a parabola</p>")
        return folder / "report.html"


def timeless(found):
    return {k: v for k, v in found.result.items() if k not in ("started", "finished")}


def test_a_study_of_somebody_elses_runs_and_is_corrected(tmp_path):
    assert isinstance(Parabola(), Study)
    found = run(Parabola(), tmp_path)
    first, *_, last = found.result["offsets"][1:]
    assert first != last and found.verified < (3.0 - 1.0) ** 2 + 0.1
    names = {path.name for path in tmp_path.iterdir()}
    turns = {f"turn-{k}" for k in range(4)}
    files = {"study.toml", "labels.jsonl", "result.json", "report.html", "best.txt", "state"}
    assert names == files | turns
    assert len((tmp_path / "labels.jsonl").read_text().splitlines()) == 4
    assert run(Parabola(), tmp_path / "again").result["x"] == found.result["x"]


def test_the_best_is_handed_over_and_a_tie_is_the_starts(tmp_path):
    found = run(Parabola(x0=1.0), tmp_path / "best")
    assert found.result["best"] == 0 and found.reasons == ("no better than the start",)
    assert run(Parabola(x0=3.0, rounds=1), tmp_path / "tie").result["best"] == 0
    assert run(Parabola(x0=3.1, rounds=1), tmp_path / "other").result["best"] == 1


def test_stopped_in_any_stage_it_comes_to_the_same(tmp_path):
    whole = Steps()
    expected = run(Parabola(seed=2), tmp_path / "whole", steps=whole)
    assert len(whole.seen) > 20
    for stop in range(1, len(whole.seen) + 1):
        folder, again = tmp_path / str(stop), Steps()
        with pytest.raises(Interrupted):
            run(Parabola(seed=2), folder, steps=Steps(stop))
        found = run(Parabola(seed=2), folder, steps=again)
        assert timeless(found) == timeless(expected)
        assert found.folder.joinpath("labels.jsonl").read_text() == (
            expected.folder.joinpath("labels.jsonl").read_text()
        )
        done = [
            whole.seen[:stop].count(s) - (whole.seen[stop - 1] == s) for s in ("propose", "verify")
        ]
        redone = [again.seen.count(s) for s in ("propose", "verify")]
        assert [a + b for a, b in zip(done, redone, strict=True)] == [3, 4]


def test_what_cannot_be_is_told_before_the_folder_is_claimed(tmp_path):
    with pytest.raises(ConfigError, match="below zero"):
        run(Parabola(x0=-1.0), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    run(Parabola(), tmp_path / "run")


def test_another_study_is_refused_by_what_differs_or_replaced(tmp_path):
    run(Parabola(), tmp_path)
    with pytest.raises(ConfigError, match=r"seed = 0 there, 1 asked\. .*--no-resume"):
        run(Parabola(seed=1), tmp_path)
    (tmp_path / "turn-9").mkdir()
    run(Parabola(seed=1), tmp_path, resume=False)
    proposal = json.loads((tmp_path / "turn-1" / "proposals.json").read_text())
    assert not (tmp_path / "turn-9").exists() and proposal["x"] == 3.1


@dataclass(frozen=True)
class FromFile(Parabola):
    file: str = ""
    reads: ClassVar[tuple[str, ...]] = ("file",)


def test_a_file_that_changed_is_another_study_and_is_named(tmp_path):
    file = tmp_path / "x.txt"
    file.write_text("1")
    run(FromFile(file=str(file)), tmp_path / "run")
    run(FromFile(file=str(file)), tmp_path / "run")
    file.write_text("2")
    with pytest.raises(ConfigError, match=r"file = .*x\.txt, content \w+, there, .*x\.txt"):
        run(FromFile(file=str(file)), tmp_path / "run")


def test_a_result_shows_itself(tmp_path):
    found = run(Parabola(x0=1.0), tmp_path)
    assert repr(found).startswith("StudyResult(") and "no better than the start" in repr(found)
    page = found._repr_html_()
    assert "<b>0.1</b>" in page and "<li>no better than the start</li>" in page


def test_a_second_process_is_refused(tmp_path):
    hold = (
        "import sys, time\n"
        "from formwright.datasets.locks import writing\n"
        "with writing(sys.argv[1]):\n    print('held', flush=True)\n    time.sleep(600)\n"
    )
    command = [sys.executable, "-c", hold, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(FolderInUseError, match=f"process {holder.pid}"):
            run(Parabola(), tmp_path)
        holder.kill()
    assert run(Parabola(), tmp_path).result["x"] is not None
