"""``formwright import``: data of one's own -> a corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from rich.console import Console

from formwright.commands.options import KIND, Json, MaybeLabel, Out
from formwright.commands.output import split_names, tell

_SHOWN = 10


def import_(
    kind: Annotated[Literal["table", "runs", "structures"], KIND],
    source: Path,
    *,
    out: Out,
    outputs: list[str] | None = None,
    inputs: list[str] | None = None,
    label: MaybeLabel = None,
    labels: Path | None = None,
    group: str | None = None,
    unit: list[str] | None = None,
    promise: list[str] | None = None,
    periodic: bool = False,
    extensive: bool = False,
    intensive: bool = False,
    level: str | None = None,
    licence: str | None = None,
    json: Json = False,
) -> int:
    """Make a corpus of your own data, for `fit` and `evaluate-pretraining`.

    ```text
    formwright import table tests.csv --out corpora/mine --outputs lift,drag --group airframe
    formwright import runs gray_scott.h5 --out corpora/gs --promise feed=constant,shift,mirror
    formwright import runs signals.npz --out corpora/sig --periodic --promise decay=shift
    formwright import structures clusters.extxyz --out corpora/emt --label energy --unit energy=eV
    formwright import structures cifs/ --out corpora/gaps --label gap --labels gaps.csv
    ```

    | kind | source |
    | --- | --- |
    | `table` | CSV or Parquet, a row a case; words in an input make it a choice |
    | `runs` | `.npz`, HDF5, The Well's layout, or a folder of these |
    | `structures` | extxyz, CIF, POSCAR, ASE's `.db`, pymatgen's JSON, or a folder of these |

    Runs are fields of (runs, points), (runs, times, x) or (runs, times, x, y), and beside them
    arrays of one number a run, the labels. Structures may have a cell or none.

    A promise says what a label of runs does when the run is looked at differently, so that every
    view of `pretrain` knows whether it keeps it:

    | promise | the label is |
    | --- | --- |
    | `constant` | one of the run: any stretch of it tells the same |
    | `shift` | the same wherever the origin of the grid is |
    | `mirror` | the same in a mirror |
    | `odd` | changes sign in a mirror |
    | `amplitude` | the same when all fields are multiplied by one number |

    `--label` is, with `structures`, the column of the label (extxyz: in the comment line); with
    `runs` the labels to keep, with commas, all if not given. A title of a table may say its unit,
    `span [m]`.

    HDF5 may say it itself, by an attribute `promise` of the label's dataset. What was read,
    refused and guessed is printed and kept in the corpus (`manifest.json`); the exit code is 1
    where something was refused.

    Args:
        source: File or folder.
        outputs: With `table`: columns to predict, with commas or one by one.
        inputs: With `table`: columns to predict from; all others if not given.
        labels: With `structures`: a CSV with the label; its first column names the file.
        group: Column that says what is kin; a group is in one split. Rows of equal inputs, runs,
            or compositions if not given.
        unit: Units, `NAME=UNIT`, with commas or one by one.
        promise: With `runs`: `LABEL=WORD,WORD`, once for each label.
        periodic: With `runs`: the axes are periodic, though the file does not say so.
        extensive: With `structures`: the label grows with the number of atoms.
        intensive: With `structures`: it does not; guessed if neither is given.
        level: With `structures`: level of theory, kept with the weights.
        licence: Of the data.
    """
    from formwright.datasets.errors import ConfigError
    from formwright.datasets.own.importing import import_corpus

    if extensive and intensive:
        raise ConfigError("give --extensive or --intensive, not both.")
    units = _pairs(split_names(unit), "--unit")
    size = True if extensive else False if intensive else None
    given = {
        "outputs": split_names(outputs) or None,
        "inputs": split_names(inputs) or None,
        "group": group,
        "level": level,
        "licence": licence,
        "periodic": periodic or None,
        "extensive": size,
        "promises": {n: w.split(",") for n, w in _pairs(promise, "--promise").items()} or None,
    }
    if kind == "structures":
        given |= {"label": label, "labels": labels, "unit": units.pop(label or "", None)}
    elif kind == "runs":
        given["labels"] = split_names([label]) if label else None
    given["units"] = units or None
    options = {name: value for name, value in given.items() if value is not None}
    done = import_corpus(kind, source, out, **options)
    if json:
        tell("", {"corpus": str(out), **done.notes.content()}, json=True)
        return 1 if done.notes.refused else 0
    console = Console(highlight=False, soft_wrap=True)
    for word, notes in done.notes.content().items():
        for text in notes[:_SHOWN]:
            console.print(f"{word + ':':9}{text}", markup=False)
        if len(notes) > _SHOWN:
            console.print(f"{word + ':':9}and {len(notes) - _SHOWN} more, in {out}/manifest.json")
    console.print(f"corpus:  {out}", markup=False)
    return 1 if done.notes.refused else 0


def _pairs(given: list[str] | None, flag: str) -> dict[str, str]:
    """Return ``NAME=VALUE`` as a mapping.

    Raises:
        ConfigError: One that is none.
    """
    from formwright.datasets.errors import ConfigError

    result = {}
    for text in given or ():
        name, sign, value = text.partition("=")
        if not (name and sign and value):
            raise ConfigError(f"{flag} {text!r} is not NAME=VALUE.")
        result[name] = value
    return result
