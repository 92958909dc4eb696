"""``formwright predict``: cases in, the same cases with what a surrogate says of them out."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from rich.console import Console

from formwright.commands.options import Json, Out, Quiet, Surrogate
from formwright.commands.output import tell

if TYPE_CHECKING:
    from formwright.commands.table import Outcome
    from formwright.surrogate.rans.fields.surrogate import FieldSurrogate


def predict(
    surrogate: Surrogate,
    *,
    out: Annotated[Out, Parameter(allow_leading_hyphen=True)],
    cases: Path | None = None,
    structures: Path | None = None,
    fields: Path | None = None,
    field_surrogate: Path | None = None,
    std: bool = False,
    prefix: str = "",
    quiet: Quiet = False,
    json: Json = False,
) -> int:
    """Predict every row of a CSV, or every structure of a file.

    ```text
    formwright predict airfoil-polar --cases cases.csv --out out.csv
    formwright predict rans-2d --cases cases.csv --out out.csv --fields fields/
    formwright predict rans-2d --cases in.csv --out out.csv --fields f/ --field-surrogate runs/mine
    formwright predict adsorption-mamun --cases cases.csv --out out.csv
    formwright predict adsorption-mamun --structures slabs.extxyz --out out.parquet --json
    ```

    For `airfoil-polar`, `cases.csv` has the columns `section`, `alpha_deg`, `reynolds` and, if it
    is not 9, `ncrit`; the new columns are lift, drag, moment and transition:

    ```text
    section,alpha_deg,reynolds,ncrit
    naca2412,4,1e6,9
    shapes/mine.dat,2.5,250000,5
    ```

    Flow is incompressible: rows whose `mach`, if there is such a column, is above 0.1 are flagged.

    `rans-2d` (k-omega SST, turbulent from the nose on) takes the same without `ncrit`; with
    `--fields`, cells (`.vtu`: U, p, nut), wall (`.vtp`: cp, cf) and a figure of each row as well,
    by the surrogate of fields, whose forces are its own: `fields_cl`, `fields_cd`, `fields_cm`.

    A section is a NACA name, a name of the database, or a file: coordinates in Selig's or
    Lednicer's order (.dat, .txt, .csv; any separators, remarks behind `#`), or an extruded surface
    (.stl, .obj, .ply, .vtk, .vtp, .vtu). A line that cannot be read is named in `reason`, what is
    odd (a kink, a point that goes back) in `flag`.

    Incidences are measured in the axes in which the section's file stands (those of NACA digits
    where it is a name). The files of fields stand in the same axes, and say so: field data hold
    `alpha_deg`, `reynolds`, `axes` and the coefficients that the wall integrates to.

    For `adsorption-mamun` it has `prototype` (A1, L12, L10), `a` and `b` (L12 is A3B), `adsorbate`
    and `site`; the new columns are `e_ads_ev`, by BEEF-vdW against the gases H2, H2O, CH4, N2 and
    H2S, and its 90 % interval:

    ```text
    prototype,a,b,adsorbate,site
    L12,Pt,Ti,H,hollow|A_A_B|FCC
    A1,Cu,Cu,OH,bridge|A_A|A
    ```

    A surrogate that `fit table` made takes a CSV with its inputs; one of `fit runs` the runs
    themselves (`--cases new.npz`, or what `import runs` reads or wrote), a row each; one of `fit
    structures` any file of structures, by `--structures`.

    Columns stand in any order, others are kept. A row that cannot be predicted keeps its place,
    its new columns are empty, and a column `reason` says why; the exit code is then 1. A column
    `flag` says where a number is a guess: an element that was in no training data, or a case
    unlike all that the surrogate learned from (a circle, a desorbed atom, another facet); the
    column `support` says how unlike: beyond 1 it is outside, and its interval grows as `support`.

    `--out` is a CSV; Parquet where it ends in `.parquet`; `-` is standard output. The object that
    `--json` prints says how many rows there were, failed and are flagged.

    Args:
        cases: The CSV to read.
        structures: A file of slabs with adsorbates (extxyz, CIF, ASE database, ...), predicted as
            they are; tag 2 marks the adsorbate's atoms, or tag 0 beside the layer numbers of
            `ase.build`. In place of `--cases`.
        fields: Folder for the fields of each row, with `rans-2d`; a column `fields` names the file,
            `fields_cl`, `fields_cd` and `fields_cm` are its forces.
        field_surrogate: Folder that `fit rans-fields` wrote, or its file; the shipped surrogate
            of fields where not given.
        std: Also write the standard deviation of each value, e.g. `cl_std`.
        prefix: Put this before the names of the new columns.
    """
    from formwright.datasets.errors import ConfigError, OutOfRangeWarning
    from formwright.surrogate.atoms.adsorption import AdsorptionSurrogate
    from formwright.surrogate.atoms.checks import energies_of
    from formwright.surrogate.zoo import load

    if str(out).startswith("-") and out != Path("-"):
        raise ConfigError(
            f"--out {str(out)!r} looks like an option: give a file after --out, - for standard "
            f"output, or ./{out} for a file of that name."
        )
    if json and out == Path("-"):
        raise ConfigError("--json and --out - both want standard output: give a file to --out.")
    if (cases is None) == (structures is None):
        raise ConfigError("give either --cases TABLE.csv or --structures FILE, and not both.")
    if out.resolve() in [path.resolve() for path in (cases, structures) if path is not None]:
        raise ConfigError(f"--out {str(out)!r} is the input itself: give another file.")
    if field_surrogate is not None and fields is None:
        raise ConfigError("--field-surrogate needs --fields FOLDER, where the fields are to go.")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("always", OutOfRangeWarning)
        loaded = load(surrogate)
        if getattr(loaded, "kind", "") == "rans-fields":
            raise ConfigError(
                f"{surrogate!r} predicts fields, and their forces by them: give it as "
                "--field-surrogate beside rans-2d and --fields."
            )
        of_fields = None if fields is None else _of_fields(loaded, surrogate, field_surrogate)
        outcome = _predict(
            loaded,
            surrogate,
            cases,
            structures,
            fields,
            of_fields,
            out,
            std,
            prefix,
            quiet or json,
        )
    messages: dict[str, str] = {}
    for entry in caught:
        messages.setdefault(str(entry.message).partition(":")[0], str(entry.message))
    if json:
        tell("", outcome.summary(out), json=True)
    elif not quiet and isinstance(loaded, AdsorptionSurrogate):
        Console(stderr=True, soft_wrap=True).print(
            f"e_ads_ev: {energies_of(loaded)}", markup=False, highlight=False
        )
    return _tell(outcome, [*outcome.notes, *messages.values()], out, quiet=quiet or json)


def _of_fields(surrogate: Any, name: str, path: Path | None) -> FieldSurrogate:
    """Return the surrogate of fields, the shipped one where no path is given."""
    from formwright.datasets.errors import ConfigError
    from formwright.surrogate.rans.wall.surrogate import RansSurrogate
    from formwright.surrogate.zoo import load

    if not isinstance(surrogate, RansSurrogate):
        raise ConfigError(f"{name!r} predicts no fields: leave out --fields, or use rans-2d.")
    return load("rans-fields") if path is None else load(path, kind="rans-fields")


def _predict(
    surrogate: Any,
    name: str,
    cases: Path | None,
    structures: Path | None,
    fields: Path | None,
    of_fields: FieldSurrogate | None,
    out: Path,
    std: bool,
    prefix: str,
    quiet: bool,
) -> Outcome:
    """Choose the reader that fits the surrogate."""
    from formwright.commands.adsorption_table import AlloyTable, predict_structures
    from formwright.commands.field_table import FieldTable
    from formwright.commands.section_table import SectionTable
    from formwright.commands.table import predict_table
    from formwright.datasets.errors import ConfigError
    from formwright.surrogate.atoms.adsorption import AdsorptionSurrogate
    from formwright.surrogate.rans.wall.surrogate import RansSurrogate

    of_atoms, kind = isinstance(surrogate, AdsorptionSurrogate), getattr(surrogate, "kind", "")
    if kind in ("table", "runs", "structures"):
        return _own(surrogate, kind, name, cases, structures, out, std, prefix)
    if structures is not None:
        if not of_atoms:
            raise ConfigError(f"{name!r} predicts sections, not structures: give --cases.")
        return predict_structures(surrogate, structures, out, spread=std, prefix=prefix)
    assert cases is not None
    if of_atoms:
        reader = AlloyTable(surrogate, spread=std)
    elif isinstance(surrogate, RansSurrogate):
        reader = FieldTable(surrogate, cases, fields, of_fields, spread=std, quiet=quiet)
    else:
        reader = SectionTable(surrogate.predict_rows, cases, spread=std)
    return predict_table(reader, cases, out, prefix=prefix)


def _own(
    surrogate: Any,
    kind: str,
    name: str,
    cases: Path | None,
    structures: Path | None,
    out: Path,
    std: bool,
    prefix: str,
) -> Outcome:
    """Predict data of the user's own kind."""
    from formwright.commands.own_table import OwnTable, predict_runs, predict_whole
    from formwright.commands.table import predict_table
    from formwright.datasets.errors import ConfigError

    if (structures is not None) != (kind == "structures"):
        flag = "--structures FILE" if kind == "structures" else "--cases"
        raise ConfigError(f"{name!r} is of kind {kind!r}: give {flag}.")
    if structures is not None:
        return predict_whole(surrogate, structures, out, spread=std, prefix=prefix)
    assert cases is not None
    if kind == "runs":
        return predict_runs(surrogate, cases, out, spread=std, prefix=prefix)
    return predict_table(OwnTable(surrogate, cases, spread=std), cases, out, prefix=prefix)


def _tell(outcome: Outcome, notes: list[str], out: Path, *, quiet: bool) -> int:
    """Print what was done to stderr, nothing but notes if ``quiet``; return the exit code."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for note in notes:
        console.print("[yellow]note:[/]", end=" ")
        console.print(note, markup=False)
    if quiet:
        return 1 if outcome.failures else 0
    done = outcome.rows - len(outcome.failures)
    count, what = outcome.distinct
    console.print(
        f"{done:,} of {outcome.rows:,} rows predicted ({count:,} {what}, "
        f"{outcome.seconds:.1f} s): {out}",
        markup=False,
    )
    if outcome.flags:
        row, flag = min(outcome.flags.items())
        console.print(
            f"[bold yellow]{len(outcome.flags):,} rows are guesses[/]; the column 'flag' says why. "
            "The first:",
            end=" ",
        )
        console.print(f"row {row + 1}: {flag}", markup=False)
    if not outcome.failures:
        return 0
    row, reason = min(outcome.failures.items())
    console.print(
        f"[bold red]{len(outcome.failures):,} rows could not be predicted[/]; the column 'reason' "
        "says why. The first:",
        end=" ",
    )
    console.print(f"row {row + 1}: {reason}", markup=False)
    return 1
