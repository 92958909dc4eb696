"""The options that several commands have: each is said once, here, and means one thing."""

from __future__ import annotations

import signal
import threading
from _thread import interrupt_main
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

from cyclopts import Parameter
from cyclopts.validators import Number

KIND: Final = Parameter(help="Kind of surrogate; the table above tells them apart.")
SPLIT: Final = Parameter(help="Which split: of a corpus, or of the families it is made of.")
SURROGATE: Final = Parameter(
    help="Name of a shipped surrogate, or a folder that `formwright fit` wrote."
)
Split: TypeAlias = Literal["train", "validation", "test"]
_POSITIVE: Final = Number(gte=1)
_OUT: Final = Parameter(help="Folder or file to write.")
_CORPUS: Final = Parameter(help="Folder or file of cases; polars may be several.")
_LABEL: Final = Parameter(
    help="What is predicted: a label of the corpus, or its column; that of the kind, or of the "
    "surrogate, where not given."
)

Out: TypeAlias = Annotated[Path, _OUT]
MaybeOut: TypeAlias = Annotated[Path | None, _OUT]
Config: TypeAlias = Annotated[
    Path | None, Parameter(help="TOML with any setting of the command; flags win over it.")
]
Seed: TypeAlias = Annotated[
    int | None, Parameter(help="Of everything random; the same seed, the same result.")
]
Workers: TypeAlias = Annotated[
    int | None,
    Parameter(help="Processes at a time; one a core where not given.", validator=_POSITIVE),
]
Where: TypeAlias = Annotated[
    str | None,
    Parameter(help="`processes:N`, or `dask:tcp://HOST:PORT` of a running Dask scheduler."),
]
Hours: TypeAlias = Annotated[
    float | None,
    Parameter(
        help="Stop after this time; the same command goes on later.", validator=Number(gt=0.0)
    ),
]
Quiet: TypeAlias = Annotated[bool, Parameter(help="Show no progress.")]
Json: TypeAlias = Annotated[
    bool, Parameter(help="Print one JSON object on standard output, and nothing else there.")
]
Steps: TypeAlias = Annotated[int | None, Parameter(help="Steps of training.", validator=_POSITIVE)]
Label: TypeAlias = Annotated[str, _LABEL]
MaybeLabel: TypeAlias = Annotated[str | None, _LABEL]
Network: TypeAlias = Annotated[
    Literal["grid", "mesh"] | None,
    Parameter(help="With `rans-fields`: on a body-fitted `grid` (the default) or on any `mesh`."),
]
Views: TypeAlias = Annotated[
    list[str] | None,
    Parameter(
        help="Views with commas, in the order they are applied; the usual ones of the data where "
        "not given. `formwright pretrain --help` lists them."
    ),
]
Part: TypeAlias = Annotated[Split | None, SPLIT]
Sections: TypeAlias = Annotated[
    int | None, Parameter(help="How many sections.", validator=_POSITIVE)
]
Corpora: TypeAlias = Annotated[list[Path], _CORPUS]
Corpus: TypeAlias = Annotated[Path, _CORPUS]
Surrogate: TypeAlias = Annotated[str, SURROGATE]
Section: TypeAlias = Annotated[
    str,
    Parameter(
        help="A NACA name, a name of the database, or the path of a file (`.dat`, `.stl`...)."
    ),
]
Folder: TypeAlias = Annotated[Path, Parameter(help="Folder that a command wrote.")]


@contextmanager
def within(hours: float | None) -> Iterator[None]:
    """Interrupt what is done inside after some hours, as Ctrl-C does.

    By a signal of its own where there is one: in the background, that of Ctrl-C may be ignored.
    """
    if hours is None:
        yield
        return
    number = getattr(signal, "SIGALRM", signal.SIGINT)
    before = signal.signal(number, signal.default_int_handler)
    timer = threading.Timer(3600.0 * hours, interrupt_main, (number,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        signal.signal(number, before)


def seconds(hours: float | None) -> float | None:
    """Return hours in seconds."""
    return None if hours is None else 3600.0 * hours
