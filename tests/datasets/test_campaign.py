from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor

import pytest

from formwright.datasets import campaign
from formwright.datasets.corpus import open_corpus

TOY = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pyarrow as pa

from formwright.datasets import campaign
from formwright.datasets.corpus import Manifest, start_corpus


def solve(k):
    time.sleep(0.01)
    return pa.table({"case_id": [f"case-{k:03d}"] * 3, "value": [k, k * k, 7 * k % 13]})


manifest = Manifest(name="toy", quantities=(), solver="toy", settings={}, seed=0,
                    licence="CC0-1.0", split_rule="none")
corpus = start_corpus(sys.argv[1], manifest)
done = corpus.finished()
count = 0


def store(k, rows):
    global count
    corpus.write(f"case-{k:03d}", rows)
    count += 1
    if count % 7 == 0:
        corpus.compact()
    print(k, flush=True)


with ThreadPoolExecutor(2) as executor:
    campaign.run([k for k in range(40) if f"case-{k:03d}" not in done], solve, on_result=store,
                 on_failure=print, executor=executor, workers=2, progress=False)
corpus.compact()
print("complete", flush=True)
"""


def start(folder):
    command = [sys.executable, "-c", TOY, str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_killed_at_any_moment_it_resumes_without_loss_or_double(tmp_path):
    chance = random.Random()
    straight = start(tmp_path / "straight")
    finished: set[str] = set()
    for kill in (True, False):
        process = start(tmp_path / "killed")
        assert process.stdout is not None
        seen = 0
        for line in process.stdout:
            seen += line.strip().isdigit()
            if kill and seen > chance.uniform(3, 14):
                process.send_signal(signal.SIGKILL)
                break
        process.stdout.close()
        process.wait()
        now = open_corpus(tmp_path / "killed").finished()
        assert finished <= now and len(now) >= len(finished) + seen
        finished = now
    assert straight.communicate()[0].endswith("complete\n")
    rows = open_corpus(tmp_path / "killed").read()
    assert rows.equals(open_corpus(tmp_path / "straight").read())
    assert rows.num_rows == 120 and len(finished) == 40


def square(k: int) -> int:
    if k < 0:
        raise ValueError(f"{k} is negative")
    return k * k


def gather(items, executor, **options):
    good, bad = {}, {}
    tally = campaign.run(
        items,
        square,
        on_result=good.__setitem__,
        on_failure=lambda item, error: bad.__setitem__(item, str(error)),
        executor=executor,
        progress=False,
        **options,
    )
    return good, bad, tally


def test_results_and_failures_are_handed_over():
    with ThreadPoolExecutor(2) as executor:
        good, bad, tally = gather([3, -1, 2], executor, workers=2)
    assert good == {3: 9, 2: 4} and bad == {-1: "-1 is negative"}
    assert (tally.done, tally.failed, tally.left) == (2, 1, False)


def test_a_pool_of_processes_is_the_default():
    good, bad, _ = gather(range(4), None, workers=1)
    assert good == {k: k * k for k in range(4)} and not bad


def test_a_campaign_that_only_fails_is_given_up():
    with ThreadPoolExecutor(1) as executor, pytest.raises(ValueError, match="negative"):
        gather(range(-100, 0), executor, workers=1)


class Counting(Executor):
    """Runs at once; counts how far the campaign is ahead."""

    def __init__(self) -> None:
        self.flying, self.most = 0, 0
        self.lock = threading.Lock()
        self.pool = ThreadPoolExecutor(1)

    def submit(self, fn, /, *args, **kwargs) -> Future:
        with self.lock:
            self.flying += 1
            self.most = max(self.most, self.flying)

        def body():
            try:
                time.sleep(0.002)
                return fn(*args, **kwargs)
            finally:
                with self.lock:
                    self.flying -= 1

        return self.pool.submit(body)

    def shutdown(self, wait=True, *, cancel_futures=False) -> None:
        self.pool.shutdown(wait=wait, cancel_futures=cancel_futures)


def test_few_items_are_in_flight_and_generators_are_not_exhausted_early():
    asked = []

    def items():
        for k in range(50):
            asked.append(k)
            yield k

    def note(item, answer):
        assert len(asked) <= item + 2 + 6

    with Counting() as executor:
        campaign.run(
            items(),
            square,
            on_result=note,
            on_failure=lambda *_: None,
            executor=executor,
            workers=3,
            progress=False,
        )
    assert executor.most <= 6 and len(asked) == 50


def test_time_limit_starts_nothing_more():
    with ThreadPoolExecutor(1) as executor:
        good, _, tally = gather(range(100), executor, workers=1, time_limit_s=-1.0)
    assert tally.left and not good


def test_an_interrupt_cancels_what_waits():
    with ThreadPoolExecutor(1) as executor:
        ran = []

        def slow(k):
            time.sleep(0.05)
            ran.append(k)

        def interrupt(item, answer):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            campaign.run(
                range(100),
                slow,
                on_result=interrupt,
                on_failure=lambda *_: None,
                executor=executor,
                workers=1,
                progress=False,
            )
    assert len(ran) <= 2


def die(k: int) -> None:
    os._exit(1)


def test_a_dead_worker_ends_the_campaign():
    with pytest.raises(BrokenExecutor):
        campaign.run(
            [1],
            die,
            on_result=lambda *_: None,
            on_failure=lambda *_: None,
            workers=1,
            progress=False,
        )


def test_progress_bar_counts_failures(capsys):
    with ThreadPoolExecutor(1) as executor:
        campaign.run(
            [1, -1, 2],
            square,
            on_result=lambda *_: None,
            on_failure=lambda *_: None,
            executor=executor,
            workers=1,
            title="squares",
            total=3,
        )
    shown = capsys.readouterr().err
    assert "squares" in shown and "3/3" in shown and "1 failed" in shown
