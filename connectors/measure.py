"""What one run of the agent costs, measured from outside: for benches that run it as a process of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cost:
    """Wall seconds, peak resident megabytes (None where /proc does not tell), exit code, and the agent's log."""

    seconds: float
    rss_mb: float | None
    exit_code: int
    log: str


def run_once(config: Path) -> Cost:
    """`hub-agent run --once` in a process of its own. The peak is the process's own high-water mark: getrusage would
    report that of whoever started it."""
    began, peak = time.perf_counter(), None
    log = config.with_suffix(".log")
    with log.open("wb") as out:
        command = [sys.executable, "-m", "connectors.cli", "run", "--once", "--config", str(config)]
        process = subprocess.Popen(command, stdout=out, stderr=out)
        while process.poll() is None:
            peak = _high_water(process.pid) or peak
            time.sleep(0.05)
    return Cost(time.perf_counter() - began, peak, process.returncode, log.read_text("utf-8", errors="replace"))


def _high_water(pid: int) -> float | None:
    try:
        status = Path(f"/proc/{pid}/status").read_text("utf-8")
    except OSError:
        return None
    lines = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(lines[0].split()[1]) / 1024 if lines else None
