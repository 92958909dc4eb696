"""AirfRANS by name: what a case's name says, the tasks and their splits.

Name: ``airFoil2D_SST_<m/s>_<deg>_<M>_<P>_<XX>`` (four digits) or ``..._<L>_<P>_<Q>_<XX>`` (five).
The digits are real numbers; ``airfrans.sections`` makes sections of them.

Source: Bonnet, Mazari, Cinnella, Gallinari, "AirfRANS", NeurIPS 2022 Datasets and Benchmarks,
arXiv 2212.07564.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from formwright.datasets.errors import CorpusError, UnknownNameError, did_you_mean
from formwright.datasets.files import load_json, write_json
from formwright.datasets.names import check_name

NU: Final = 1.5498e-5
"""Kinematic viscosity of the dataset's air, m2/s, at 298.15 K."""
CHORD: Final = 1.0
"""Metres."""
MANIFEST: Final = "manifest.json"
TASKS: Final = ("full", "scarce", "reynolds", "aoa")
_PREFIX: Final = "airFoil2D_SST"

Task = Literal["full", "scarce", "reynolds", "aoa"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseName:
    """What a name says.

    Attributes:
        name: The whole of it.
        speed: Of the free stream, m/s.
        alpha_deg: Incidence, degrees.
        digits: ``(M, P, XX)`` or ``(L, P, Q, XX)``; empty where the section is no NACA one.
        label: The section, as the name spells it.
    """

    name: str
    speed: float
    alpha_deg: float
    digits: tuple[float, ...]
    label: str

    @property
    def reynolds(self) -> float:
        """On the chord."""
        return self.speed * CHORD / NU


def parse_name(name: str) -> CaseName:
    """Read the name of a case.

    Raises:
        CorpusError: It is none, or files cannot be called by it.
    """
    pieces = name.split("_")
    try:
        speed, alpha = float(pieces[2]), float(pieces[3])
        if "_".join(pieces[:2]) != _PREFIX or not 0.0 < speed < math.inf or not pieces[4]:
            raise ValueError
        if not math.isfinite(alpha):
            raise ValueError
    except (ValueError, IndexError):
        raise CorpusError(
            f"{name!r} is no name of an AirfRANS case: {_PREFIX}_<m/s>_<degrees>_<section>, e.g. "
            f"{_PREFIX}_92.989_10_0_0_12."
        ) from None
    check_name(name)
    try:
        digits = tuple(float(piece) for piece in pieces[4:])
    except ValueError:
        digits = ()
    return CaseName(
        name=name,
        speed=speed,
        alpha_deg=alpha,
        digits=digits if len(digits) in (3, 4) else (),
        label="_".join(pieces[4:]),
    )


def case_name(reynolds: float, alpha_deg: float, section: str) -> str:
    """Return the name of a case in the style of the dataset.

    Args:
        reynolds: On a chord of a metre, in the dataset's air.
        alpha_deg: Incidence, degrees.
        section: Digits (``"2_4_12"``), or any name.

    Raises:
        CorpusError: The section has no name.
    """
    label = section.strip(" _").replace(" ", "-").replace("/", "-")
    name = f"{_PREFIX}_{reynolds * NU / CHORD:.9g}_{alpha_deg:.9g}_{label}"
    return parse_name(name).name


def read_manifest(folder: str | os.PathLike[str]) -> dict[str, list[str]]:
    """Return the names of cases by part (``full_train``, ..., ``aoa_test``).

    Raises:
        CorpusError: ``manifest.json`` is absent, cut off, lists no names, or one that files cannot
            be called by.
    """
    path = Path(folder) / MANIFEST
    try:
        result = load_json(path)
    except (OSError, ValueError) as error:
        raise CorpusError(
            f"cannot read {str(path)!r} ({error}): it lists the cases of AirfRANS by task. Give "
            "the folder that the dataset's zip file holds, or copy it again."
        ) from error
    whole = isinstance(result, dict) and all(
        isinstance(names, list) and all(isinstance(name, str) for name in names)
        for names in result.values()
    )
    if not whole or not result:
        raise CorpusError(f"{str(path)!r} is no mapping of parts to lists of names.")
    try:
        for name in {name for names in result.values() for name in names}:
            check_name(name)
    except CorpusError as error:
        raise CorpusError(f"{str(path)!r}: {error}") from error
    return result


def write_manifest(folder: str | os.PathLike[str], parts: Mapping[str, Sequence[str]]) -> None:
    """Write ``manifest.json``; parts that a task needs and that are not given are empty.

    Args:
        folder: Of the dataset.
        parts: Names by part, e.g. ``{"full_train": [...], "full_test": [...]}``.

    Raises:
        UnknownNameError: A part that the dataset does not have.
    """
    known = [f"{task}_{part}" for task in TASKS for part in ("train", "test")]
    for part in parts:
        if part not in known:
            raise UnknownNameError(
                f"AirfRANS has no part {part!r}.{did_you_mean(part, known)} It has "
                f"{', '.join(known)}."
            )
    write_json(Path(folder) / MANIFEST, {part: list(parts.get(part, ())) for part in known})


def task_split(
    manifest: Mapping[str, Sequence[str]], task: Task | str
) -> tuple[list[str], list[str]]:
    """Return the names to train and to test on, as the dataset's own loader takes them.

    ``scarce`` trains on 200 cases and is tested on the test part of ``full``; ``reynolds`` and
    ``aoa`` extrapolate.

    Args:
        manifest: From ``read_manifest``.
        task: ``full``, ``scarce``, ``reynolds`` or ``aoa``.

    Raises:
        UnknownNameError: Another task.
        CorpusError: The manifest lacks a part of it, or a case is on both sides.
    """
    if task not in TASKS:
        raise UnknownNameError(
            f"AirfRANS has no task {task!r}.{did_you_mean(task, TASKS)} Tasks: {', '.join(TASKS)}."
        )
    parts = (f"{task}_train", "full_test" if task == "scarce" else f"{task}_test")
    for part in parts:
        if part not in manifest:
            raise CorpusError(f"the manifest lacks {part!r}; it has {', '.join(manifest)}.")
    train, test = (list(manifest[part]) for part in parts)
    both = sorted(set(train) & set(test))
    if both:
        raise CorpusError(
            f"{len(both)} cases of the task {task!r} are both trained and tested on, first "
            f"{both[0]!r}."
        )
    return train, test
