"""The machine, and what a process has used of it."""

import os
import platform
import sqlite3
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def loop_seconds(turns: int) -> float:
    """Processor time of so many turns of an empty loop: what tells absolute figures of two machines, or moments, apart."""
    begun = time.process_time()
    for _ in range(turns):
        pass
    return time.process_time() - begun


def description() -> str:
    """One line that says where the figures come from."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    load = os.getloadavg()[0]
    loop_milliseconds = min(loop_seconds(1_000_000) for _ in range(5)) * 1e3
    return (
        f"{os.cpu_count()} cores ({model}), Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
        f"{platform.system()} {platform.release()}, load {load:.1f} at the start, "
        f"a million turns of an empty loop {loop_milliseconds:.0f} ms"
    )


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used so far, in user and in system mode, all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def stolen_ticks() -> tuple[int, int]:
    """Processor time since the machine's start, of all processors: what the host took for others, and all there was."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return fields[7], sum(fields)


def stolen_share(before: tuple[int, int]) -> float:
    """The share of the processors' time that the host took since `stolen_ticks` said this."""
    stolen, all_ticks = stolen_ticks()
    return (stolen - before[0]) / max(1, all_ticks - before[1])


def anonymous_bytes(pid: int) -> int:
    """Memory that belongs to the process alone. Mapped files are the system's cache, so RSS would say too much."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("this system does not tell RssAnon")


def median(values: Sequence[float]) -> float:
    """The median."""
    return statistics.median(values)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def show(line: str) -> None:
    """One line of the report, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
