"""The one verified loop: propose, claim, verify, learn from the verdicts, again; all of it on disk.

::

    study --begin--> work       everything is checked before the folder is claimed
      start                     claimed and verified as any design, where there is one
      round 1, 2, ...           refit -> propose -> claim -> verify -> labels
      all designs in order      what is handed over stands first, a tie is the start's
      conclude                  files of this kind of study, result.json, report.html

What ``propose`` and ``verify`` return is written as JSON and read again at once, so that a run that
was stopped goes on with the very numbers of one that was not.

A study's folder
----------------
``study.toml`` (as run), ``labels.jsonl`` (what the solver was asked: training data), a folder a
round (``proposals.json``, ``verdicts.json``, and what a stage keeps on its way), ``result.json``,
``report.html``, ``state/`` (whose the folder is). The layout of ``result.json`` is that of the
kind; its ``verdict`` is a sentence, and ``started`` and ``finished`` are put to it. No file holds
NaN: an absent number is ``null``. A *claim* is the surrogate's, a *verdict* the solver's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Generic, Protocol, TypeVar, runtime_checkable

from formwright.datasets.config import from_mapping, read_toml, to_mapping
from formwright.datasets.errors import ConfigError, did_you_mean
from formwright.datasets.files import write_record, write_text
from formwright.datasets.locks import writing
from formwright.design import study_folder
from formwright.design.records import plain, read_json

M = TypeVar("M")
C = TypeVar("C")
V = TypeVar("V")
Tell = Callable[[str, float], None]

KINDS: Final[Mapping[str, str]] = {
    "airfoil": "formwright.design.airfoils.study",
    "catalyst": "formwright.design.catalysts.study",
    "simulator": "formwright.design.simulators.study",
}
"""Kinds of study that a TOML file may name, and the module whose ``STUDY`` is one of them."""
RESULT: Final = "result.json"
REPORT: Final = "report.html"
LABELS: Final = "labels.jsonl"
SHARED: Final = (study_folder.TOML, LABELS, RESULT, REPORT)


@dataclass(frozen=True, kw_only=True, slots=True)
class Round(Generic[M, C, V]):
    """One turn of the loop.

    Attributes:
        index: From 1; 0 is the start, which was not searched for.
        model: What the surrogate had learned from the rounds before.
        proposal: What the search came to, as JSON knows it; None of the start.
        claims: What the surrogate says of what was proposed.
        verdicts: What the solver says of it.
    """

    index: int
    model: M | None
    proposal: Any
    claims: C
    verdicts: V


Place = tuple[Round[Any, Any, Any], int]
"""A design: the round that proposed it, and which of that round's it is."""


@runtime_checkable
class Work(Protocol[M, C, V]):
    """A study made ready: nothing of it is left to check."""

    def start(self) -> C | None:
        """Return the claims on the design that the search begins with; None where there is none."""
        ...

    def refit(self, rounds: Sequence[Round[M, C, V]], place: Path) -> M | None:
        """Return the surrogate of the next round: corrected, or trained, by the verdicts so far.

        None ends the study: another round would gain nothing.

        Args:
            rounds: What was found so far, the start first.
            place: Folder of the round, for whatever a training keeps.
        """
        ...

    def propose(self, model: M, rounds: Sequence[Round[M, C, V]], place: Path) -> Any:
        """Return what a search with the surrogate finds, as JSON knows it."""
        ...

    def claim(self, model: M, proposal: Any) -> C:
        """Return what the surrogate says of what was proposed."""
        ...

    def verify(self, claims: C) -> Any:
        """Return what the solver says of it, as JSON knows it."""
        ...

    def read(self, verdicts: Any) -> V:
        """Return the verdicts that ``verify`` returned, from JSON."""
        ...

    def labels(self, rounds: Sequence[Round[M, C, V]]) -> Iterable[Mapping[str, Any]]:
        """Return the lines of ``labels.jsonl``."""
        ...

    def ranks(self, found: Round[M, C, V]) -> Sequence[Any]:
        """Return what orders the designs of a round, the best the least."""
        ...

    def conclude(
        self, rounds: Sequence[Round[M, C, V]], order: Sequence[Place], folder: Path
    ) -> Mapping[str, Any]:
        """Write the files of this kind of study, and return the content of ``result.json``.

        Args:
            rounds: All, the start first.
            order: All designs, the best first.
            folder: Of the study.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """What every study comes to: see ``StudyResult``."""

    claimed: float | None
    verified: float | None
    judged: tuple[int, int]
    reasons: tuple[str, ...]


@runtime_checkable
class Study(Protocol):
    """What is asked: a dataclass, or any object whose attributes say all of it.

    Attributes:
        rounds: How often to propose and verify at most.
        place: Folder of a round within the study's, with its index: ``"round-{}"``.
        written: Files of this kind of study beside those of all.
        reads: Names of the fields that may hold the path of a file or folder.
    """

    @property
    def rounds(self) -> int: ...  # noqa: D102
    @property
    def place(self) -> str: ...  # noqa: D102
    @property
    def written(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def reads(self) -> tuple[str, ...]: ...  # noqa: D102

    def begin(self, **given: Any) -> Work[Any, Any, Any]:
        """Check all that can be checked before anything is written, and return what does it.

        Args:
            given: What takes the place of what the study names, e.g. ``surrogate``.
        """
        ...

    def summary(self, result: Mapping[str, Any]) -> Summary:
        """Return what a finished study came to."""
        ...

    def report(self, folder: Path) -> Path:
        """Write ``report.html`` from the files of a finished study, and return its path."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class StudyResult:
    """The outcome of a study.

    Attributes:
        folder: Where everything lies.
        verdict: The outcome in one sentence.
        claimed: By the surrogate: the objective of the design, or the hits to be expected.
        verified: The same by the solver; None where it has not judged all of it.
        judged: How many verdicts there are, and how many were asked for.
        reasons: Why what is handed over should not be used as it is; empty where all is well.
        result: All of ``result.json``.

    Example:
        >>> import formwright
        >>> [field for field in formwright.StudyResult.__slots__][:4]
        ['folder', 'verdict', 'claimed', 'verified']
    """

    folder: Path
    verdict: str
    claimed: float | None
    verified: float | None
    judged: tuple[int, int]
    reasons: tuple[str, ...]
    result: Mapping[str, Any]

    def __repr__(self) -> str:
        """Return folder, claim and verdict on one line."""
        judged, requested = self.judged
        against = "; ".join(self.reasons) or "nothing speaks against it"
        return (
            f"StudyResult({str(self.folder)!r}: claimed {_short(self.claimed)}, verified "
            f"{_short(self.verified)} ({judged} of {requested} judged); {against})"
        )

    def _repr_html_(self) -> str:
        """Return the same for a notebook."""
        judged, requested = self.judged
        against = "".join(f"<li>{escape(reason)}</li>" for reason in self.reasons)
        return (
            f"<p><b>{escape(self.verdict)}</b></p><table><tr><th>claimed</th><th>verified</th>"
            f"<th>judged</th></tr><tr><td>{_short(self.claimed)}</td><td>{_short(self.verified)}"
            f"</td><td>{judged} of {requested}</td></tr></table><ul>{against}</ul>"
            f"<p><code>{escape(str(self.folder / REPORT))}</code></p>"
        )


def run(
    study: Study, folder: str | os.PathLike[str], *, resume: bool = True, **given: Any
) -> StudyResult:
    r"""Run a study of any kind: search, verify, learn, record, report.

    What ``folder`` already holds of the same study is not repeated: a run that was stopped at any
    moment comes to the result of one that was not, and a finished study is returned as it is.

    Args:
        study: What to do; ``read_study`` reads one.
        folder: Where to write; made if absent.
        resume: Go on from what is there; else begin anew.
        given: What takes the place of what the study names. Of an airfoil: ``surrogate`` (instead
            of loading ``study.surrogate``), ``chosen`` (verifies instead of ``study.solver``). Of a
            catalyst: ``surrogate`` (untrained here), ``oracle`` (instead of CHGNet, not tested),
            ``progress`` (a bar of the training). Of a simulator: ``function`` (instead of
            ``study.verifier``). Of all: ``tell``, told what is done, and which
            share of it.

    Raises:
        ConfigError: The folder holds another study, or the study cannot be.
        UnknownNameError: The study names what there is not.
        MissingSolverError: The solver asked for is not installed.
        StorageError: The disk is full; run again to go on.
        FolderInUseError: Another process runs the study there.

    Example:
        >>> import formwright
        >>> text = '[[points]]\ncl = 0.6\nreynolds = 1e6\n'
        >>> lines = 'solver = "panel"\nrounds = 1\nworkers = 1\n' + text
        >>> with open("study.toml", "w") as file:
        ...     _ = file.write(lines)
        >>> study = formwright.read_study("study.toml")
        >>> done = formwright.run(study, "runs/small")
        >>> done.judged, done.claimed > 0.0
        ((1, 1), True)
    """
    path = Path(folder)
    if resume:
        study_folder.check(path, study)
    result = read_json(path / RESULT) if resume else None
    if result is None:
        work = study.begin(**given)
        with writing(path):
            written = (*SHARED, *study.written, study.place)
            study_folder.claim(path, study, written, resume=resume)
            result = _run(study, work, path)
    if not (path / REPORT).exists():
        study.report(path)
    parts = study.summary(result)
    summed = {field.name: getattr(parts, field.name) for field in fields(Summary)}
    return StudyResult(folder=path, verdict=result["verdict"], result=result, **summed)


def read_study(path: str | os.PathLike[str]) -> Any:
    r"""Read a study of any kind from TOML; the keys are the attributes of its class.

    ``kind`` says which it is; a file without it is of the kind that knows most of its keys.

    Raises:
        ConfigError: Unknown kind or key, missing key or a value of the wrong kind.

    Example:
        >>> import formwright
        >>> with open("study.toml", "w") as file:
        ...     _ = file.write('[[points]]\ncl = 0.6\nreynolds = 1e6\n')
        >>> formwright.read_study("study.toml").points[0].cl
        0.6
    """
    values, where = read_toml(path), Path(path).name
    kind = values.pop("kind", None) or _guessed(values)
    if kind not in KINDS:
        raise ConfigError(
            f"{where}: kind = {kind!r} is none of {', '.join(map(repr, KINDS))}."
            f"{did_you_mean(str(kind), KINDS)}"
        )
    return from_mapping(kind_of(kind), values, where=where)


def report(folder: str | os.PathLike[str]) -> Path:
    """Write the report of a finished study again, and return its path.

    Raises:
        ConfigError: A file is absent, damaged, or of a version that is not known here.
        StorageError: The report could not be written.
    """
    path = Path(folder)
    kind = (read_json(path / RESULT) or {}).get("kind", "airfoil")
    if kind not in KINDS:
        raise ConfigError(
            f"{str(path)!r} holds a study of kind {kind!r}, which is none of those known here "
            f"({', '.join(KINDS)}): its own class writes its report."
        )
    return kind_of(kind).report(path)


def kind_of(name: str) -> Any:
    """Return the class of a kind of study; others are not imported."""
    return import_module(KINDS[name]).STUDY


def kept(path: Path, make: Callable[[], Any]) -> Any:
    """Return what a stage wrote; it is done now where it was not.

    Raises:
        ConfigError: The file is damaged.
    """
    if not path.exists():
        write_record(path, plain(to_mapping(make())))
    return read_json(path)


def _run(study: Study, work: Work[M, C, V], path: Path) -> dict[str, Any]:
    """Do what is not done yet, ``result.json`` last."""
    rounds: list[Round[M, C, V]] = []
    first = work.start()
    if first is not None:
        place = path / study.place.format(0)
        rounds.append(_verified(work, first, place, index=0, model=None, proposal=None))
    for index in range(1, 1 + study.rounds):
        place = path / study.place.format(index)
        model = work.refit(rounds, place)
        if model is None:
            break
        proposal = kept(
            place / "proposals.json", lambda m=model, p=place: work.propose(m, rounds, p)
        )
        claims = work.claim(model, proposal)
        part = {"index": index, "model": model, "proposal": proposal}
        rounds.append(_verified(work, claims, place, **part))
        lines = dict.fromkeys(json.dumps(plain(row)) for row in work.labels(rounds))
        write_text(path / LABELS, "".join(f"{line}\n" for line in lines))
    designs = [(found, k, rank) for found in rounds for k, rank in enumerate(work.ranks(found))]
    order = [(found, k) for found, k, _ in sorted(designs, key=lambda one: one[2])]
    times = {"started": study_folder.started(path), "finished": study_folder.now()}
    content = plain({**work.conclude(rounds, order, path), **times})
    write_record(path / RESULT, content)
    return content


def _verified(work: Work[M, C, V], claims: C, place: Path, **part: Any) -> Round[M, C, V]:
    """Return a round with its verdicts."""
    verdicts = kept(place / "verdicts.json", lambda: work.verify(claims))
    return Round(claims=claims, verdicts=work.read(verdicts), **part)


def _guessed(values: Mapping[str, Any]) -> str:
    """Return the kind that knows most of the keys; of equals the first."""

    def unknown(kind: str) -> int:
        return len({*values} - {field.name for field in fields(kind_of(kind))})

    return "airfoil" if "points" in values else min(KINDS, key=unknown)


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.5g}"
