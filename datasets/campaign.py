"""Many cases on any ``concurrent.futures.Executor``, a process pool by default; into a corpus."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for
from typing import TYPE_CHECKING, Any, Final, TypeVar

from formwright.datasets.corpus import Corpus
from formwright.datasets.locks import writing

if TYPE_CHECKING:
    import pyarrow as pa

Item = TypeVar("Item")
Answer = TypeVar("Answer")
HOPELESS: Final = 20
COMPACT_EVERY: Final = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Tally:
    """How a campaign went.

    Attributes:
        done: Cases whose function returned.
        failed: Cases whose function raised.
        left: Whether the time limit ended it before the last case.
        seconds: Wall time.
    """

    done: int
    failed: int
    left: bool
    seconds: float


def run(
    items: Iterable[Item],
    function: Callable[[Item], Answer],
    *,
    on_result: Callable[[Item, Answer], None],
    on_failure: Callable[[Item, Exception], None],
    executor: Executor | None = None,
    workers: int | None = None,
    time_limit_s: float | None = None,
    title: str = "cases",
    total: int | None = None,
    progress: bool = True,
) -> Tally:
    """Apply ``function`` to every item, at most two items a worker in flight.

    Results are handed over here, in this process, in the order in which they are done. What an
    interrupt (Ctrl-C) loses is what was in flight. Where the first 20 items all fail, something is
    wrong with the whole campaign, and the last failure is raised.

    Args:
        items: What to work on; picklable where the executor needs it.
        function: A module-level function, or a ``functools.partial`` of one.
        on_result: Called with the item and its answer.
        on_failure: Called with the item and what its function raised.
        executor: Where to run; a pool of processes, made and ended here, where None.
        workers: Size of that pool, or how many the given executor has; the processors by default.
        time_limit_s: No item is started after this many seconds.
        title: What the progress bar calls the items.
        total: How many items there are, for the progress bar.
        progress: Show a progress bar on standard error.

    Raises:
        BrokenExecutor: A worker died; the items in flight are lost, the others are safe.
    """
    workers = workers or os.cpu_count() or 1
    if executor is None:
        with _pool(workers) as pool:
            return run(
                items,
                function,
                on_result=on_result,
                on_failure=on_failure,
                executor=pool,
                workers=workers,
                time_limit_s=time_limit_s,
                title=title,
                total=total,
                progress=progress,
            )
    started, done, failed, left = time.monotonic(), 0, 0, False
    queue, flying = iter(items), dict[Future[Answer], Item]()
    with _bar(title, total, progress) as advance:
        try:
            while True:
                left = time_limit_s is not None and time.monotonic() - started > time_limit_s
                if not left:
                    _submit(flying, queue, function, executor, 2 * workers)
                if not flying:
                    break
                for future in wait(flying, return_when=FIRST_COMPLETED).done:
                    item, error = flying.pop(future), future.exception()
                    if error is None:
                        on_result(item, future.result())
                        done += 1
                    elif isinstance(error, BrokenExecutor) or not isinstance(error, Exception):
                        raise error
                    else:
                        failed += 1
                        if failed >= HOPELESS and not done:
                            raise error
                        on_failure(item, error)
                    advance(failed)
        finally:
            for future in flying:
                future.cancel()
    return Tally(done=done, failed=failed, left=left, seconds=time.monotonic() - started)


def fill(
    corpus: Corpus,
    items: Iterable[Item],
    function: Callable[[Item], pa.Table],
    failed: Callable[[Item, Exception], pa.Table],
    case_id: Callable[[Item], str],
    *,
    executor: Executor | None = None,
    workers: int | None = None,
    time_limit_s: float | None = None,
    title: str = "cases",
    progress: bool = True,
) -> Corpus:
    """Work out the cases that a corpus does not have yet, and return it.

    Args:
        corpus: Where rows go, as soon as they are there.
        items: All cases.
        function: From a case to its rows; as in ``run``.
        failed: From a case and what its function raised to its row.
        case_id: Of a case.
        executor: As in ``run``, and so are the others.
        workers: Processes at a time.
        time_limit_s: Start no case after this many seconds.
        title: What the progress bar calls the cases.
        progress: Show a progress bar.

    Raises:
        FolderInUseError: Another process fills it.
    """
    with writing(corpus.path):
        finished = corpus.finished()
        todo = [item for item in items if case_id(item) not in finished]
        _fill(
            corpus,
            todo,
            function,
            failed,
            case_id,
            executor=executor,
            workers=workers,
            time_limit_s=time_limit_s,
            title=title,
            total=len(todo),
            progress=progress,
        )
    return corpus


def _fill(
    corpus: Corpus,
    todo: Iterable[Item],
    function: Callable[[Item], pa.Table],
    failed: Callable[[Item, Exception], pa.Table],
    case_id: Callable[[Item], str],
    **how: Any,
) -> None:
    """Work out cases and store them; ``how`` is that of ``run``."""
    written = 0

    def store(item: Item, rows: pa.Table) -> None:
        nonlocal written
        corpus.write(case_id(item), rows)
        written += 1
        if written % COMPACT_EVERY == 0:
            corpus.compact()

    run(
        todo,
        function,
        on_result=store,
        on_failure=lambda item, error: store(item, failed(item, error)),
        **how,
    )
    corpus.compact()


def _submit(
    flying: dict[Future[Answer], Item],
    queue: Iterator[Item],
    function: Callable[[Item], Answer],
    executor: Executor,
    most: int,
) -> None:
    """Submit items until ``most`` are in flight or none is left."""
    while len(flying) < most:
        try:
            item = next(queue)
        except StopIteration:
            return
        flying[executor.submit(function, item)] = item


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of fresh processes with one thread each; an error ends it without waiting."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_prepare_worker)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def _prepare_worker() -> None:
    """Keep a worker on one processor, deaf to Ctrl-C, and no longer alive than its parent."""
    import torch

    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when its parent is gone, killed or not."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)


@contextmanager
def _bar(title: str, total: int | None, show: bool) -> Iterator[Callable[[int], None]]:
    """Yield a function that notes one more finished item and the failures so far."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}  {task.fields[failed]} failed"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not show, refresh_per_second=2) as progress:
        task = progress.add_task(title, total=total, rate="", failed=0)
        started, n = time.monotonic(), 0

        def advance(failed: int) -> None:
            nonlocal n
            n += 1
            rate = n / max(time.monotonic() - started, 1e-9)
            progress.update(task, advance=1, rate=f"{rate:.2f}/s", failed=failed)

        yield advance
