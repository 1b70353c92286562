"""`python -m benchmarks`: every line of the report, or those that are named."""

import argparse
import tempfile
from pathlib import Path

from benchmarks import append, batch, evaluation, history, latency, replay
from benchmarks.logs import on_each_log
from benchmarks.machine import description, show

LINES = ("append", "replay", "evaluation", "latency", "batch", "history")


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("lines", nargs="*", default=LINES, help=f"which of {', '.join(LINES)}; all by default")
    parser.add_argument(
        "--holders", type=int, default=1_000_000, help="stored holders for evaluation, latency while publishing, and batch"
    )
    parser.add_argument(
        "--small",
        type=int,
        default=100_000,
        help="stored holders for replay, latency beside another node, and memory's comparison",
    )
    parser.add_argument(
        "--events", type=int, default=1_000_000, help="events of history; 10,000,000 take 15 GB and patience"
    )
    parser.add_argument("--rounds", type=int, default=5, help="alternated rounds, of which the median counts")
    parser.add_argument("--folder", type=Path, help="where prepared ledgers are kept for the next run")
    arguments = parser.parse_args()
    show(description())
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if "append" in arguments.lines:
            on_each_log(folder, lambda name, open_log: append.run(name, open_log, arguments.rounds))
        if "replay" in arguments.lines:
            on_each_log(folder, lambda name, open_log: replay.run(name, open_log, arguments.small, arguments.rounds))
        if "evaluation" in arguments.lines:
            evaluation.run(folder, arguments.holders, arguments.small, arguments.rounds)
        if "latency" in arguments.lines:
            latency.run(folder, arguments.holders, arguments.small, arguments.rounds)
        if "batch" in arguments.lines:
            batch.run(folder, arguments.holders, arguments.rounds)
        if "history" in arguments.lines:
            history.run(folder, arguments.events, arguments.rounds)


if __name__ == "__main__":
    main()
