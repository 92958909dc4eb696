"""Kill -9 at random moments and run again: is the result that of a study that was never killed?

Small studies of both kinds (an airfoil by the panel method, alloys by the table) run in processes
of their own, are killed at random moments, and run again in the same folder. Every number of
``result.json`` is compared with that of an undisturbed run, times left out.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from _common import Benchmark, save, tell

STUDIES: Final = {
    "airfoil": """
name = "small"
solver = "panel"
rounds = 2
workers = 1
[[points]]
cl = 0.5
reynolds = 1e6
[sweep]
step_deg = 1.0
below_deg = 1.0
above_deg = 1.0
from_zero = false
[method]
kind = "slsqp"
max_iterations = 15
""",
    "catalyst": """
kind = "catalyst"
name = "small"
encoder = "none"
labels = 60
steps = 40
more_steps = 20
rounds = 2
verifier = "table"
threads = 1
[network]
channels = 8
layers = 1
cutoff = 4.0
radial = 4
embedding = 16
[design]
elements = ["Pt", "Ti", "Cu", "Ni", "Al"]
proposals = 4
starts = 3
steps = 4
exchanges = 1
""",
}
TIMES: Final = {"seconds", "started", "finished", "seal"}
"""What differs between two runs of one study: times, and the checksum of a file that holds them."""


def timeless(value: Any) -> Any:
    """Return what a study found without its times."""
    if isinstance(value, list):
        return [timeless(item) for item in value]
    if isinstance(value, dict):
        return {key: timeless(item) for key, item in value.items() if key not in TIMES}
    return value


def found(folder: Path) -> Any:
    """Return the content of ``result.json`` without its times."""
    return timeless(json.loads((folder / "result.json").read_text(encoding="utf-8")))


def begun(study: Path, folder: Path) -> subprocess.Popen[bytes]:
    """Start the study in a process of its own."""
    command = [sys.executable, "-m", "formwright", "optimize", str(study), "--out", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def killed(study: Path, folder: Path, after: float) -> bool:
    """Run a study, kill it after so many seconds, and run it to its end; whether it was alive."""
    process = begun(study, folder)
    time.sleep(after)
    alive = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    begun(study, folder).wait()
    return alive


def measure(kind: str, kills: int, seed: int, room: Path) -> dict[str, Any]:
    """Return how many of the killed studies came to the numbers of the undisturbed one."""
    study, draw = room / f"{kind}.toml", random.Random(seed)
    study.write_text(STUDIES[kind], encoding="utf-8")
    began = time.perf_counter()
    begun(study, room / kind).wait()
    whole, expected = time.perf_counter() - began, found(room / kind)
    same, alive, number = 0, 0, 0
    while alive < kills:
        folder, number = room / f"{kind}-{number}", number + 1
        if killed(study, folder, draw.uniform(0.2, 1.0) * whole):
            alive += 1
            same += found(folder) == expected
            tell(kind, f"{same} of {alive} the same")
    return {"same": same, "killed": alive, "undisturbed_s": round(whole, 1)}


def main() -> None:
    """Kill, run again, compare, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10, help="of each kind of study")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as room:
        parts = {k: measure(k, options.kills, options.seed, Path(room)) for k in STUDIES}
    runs = sum(part["killed"] for part in parts.values())
    same = sum(part["same"] for part in parts.values())
    save(
        Benchmark(
            name="kill-resume",
            claim=f"Of {runs} studies killed at random moments, {same} ended with the very numbers "
            "of one that was never killed.",
            value=same / runs,
            unit="share",
            better="higher",
            split="small studies of an airfoil (panel method) and of a catalyst (table)",
            peers={},
            seeds=(options.seed,),
            notes="Killed with SIGKILL at a moment drawn evenly over the last 80 % of the time of "
            "an undisturbed run, and drawn again where the study had ended by then; all of "
            "result.json is compared but times.",
            details=parts,
        )
    )


if __name__ == "__main__":
    main()
