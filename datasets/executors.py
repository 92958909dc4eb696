"""Where a campaign runs, in words: ``processes:N`` here, ``dask:tcp://HOST:PORT`` on a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from formwright.datasets.errors import ConfigError, MissingSolverError

WAIT_S: Final = 30.0
_FORMS: Final = "processes:N (e.g. processes:4) or dask:tcp://HOST:PORT"


@dataclass(frozen=True, kw_only=True, slots=True)
class Where:
    """What ``campaign.run`` wants to know.

    Attributes:
        executor: A pool of processes, made there, where None.
        workers: How many cases at a time; one a processor where None.
    """

    executor: Executor | None = None
    workers: int | None = None


@contextmanager
def opened(spec: str | None, workers: int | None = None) -> Iterator[Where]:
    """Yield what a word means, and let go of it afterwards; a cluster goes on without us.

    Args:
        spec: ``"processes:N"``, ``"dask:tcp://HOST:PORT"``, or None: processes.
        workers: Processes, where ``spec`` names none; with Dask its own count.

    Raises:
        ConfigError: It is neither, or both name a number.
        MissingSolverError: Dask is not installed, nobody answers there, or it has no worker.

    Example:
        >>> from formwright.datasets.executors import opened
        >>> with opened("processes:4") as where:
        ...     print(where.workers)
        4
    """
    if spec is None:
        yield Where(workers=workers)
        return
    kind, _, value = spec.partition(":")
    if workers is not None:
        raise ConfigError(f"give --executor {spec!r} or --workers {workers}, not both.")
    if kind == "processes":
        yield Where(workers=_count(spec, value))
    elif kind == "dask" and "://" in value:
        yield from _cluster(value)
    else:
        raise ConfigError(f"executor = {spec!r} is none of {_FORMS}.")


def _count(spec: str, value: str) -> int:
    """Return how many processes.

    Raises:
        ConfigError: It is no positive whole number.
    """
    if not (value.isascii() and value.isdigit() and int(value) > 0):
        raise ConfigError(f"executor = {spec!r}: {value!r} is no positive number; write {_FORMS}.")
    return int(value)


def _cluster(address: str) -> Iterator[Where]:
    """Yield the executor of a running scheduler, one case a thread of its workers."""
    with _client(address) as client:
        threads = client.nthreads()
        if not threads:
            raise MissingSolverError(
                f"the Dask scheduler at {address!r} has no worker: start one, `dask worker "
                f"{address} --nthreads 1`, where formwright is installed."
            )
        with client.get_executor() as executor:
            yield Where(executor=executor, workers=sum(threads.values()))


def _client(address: str) -> Any:
    """Return a client of a scheduler.

    Raises:
        MissingSolverError: Dask is not installed, or nobody answers.
    """
    try:
        from distributed import Client  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise MissingSolverError(
            "Dask is not installed: pip install 'formwright[dask]', here and where its workers run."
        ) from error
    try:
        return Client(address, timeout=WAIT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise MissingSolverError(
            f"no Dask scheduler answers at {address!r} ({error}): start one, `dask scheduler`, and "
            "give the address that it prints."
        ) from error
