"""The peak of a process's resident memory, and of the processes that it begins."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_SECONDS = 0.1


@dataclass
class Peak:
    """The sum of the peaks of all processes in MB, once the block has ended: at least what was held at any one moment."""

    mb: float = 0.0


@contextmanager
def measured() -> Iterator[Peak]:
    """The kernel's own peak of this process from here on (VmHWM); of its descendants, as it stood when they were last seen."""
    found, ended, others = Peak(), threading.Event(), dict[int, float]()

    def look() -> None:
        while not ended.wait(_SECONDS):
            others.update(_of_descendants(os.getpid()))

    watcher = threading.Thread(target=look)
    Path("/proc/self/clear_refs").write_text("5")
    watcher.start()
    try:
        yield found
    finally:
        ended.set()
        watcher.join()
        others.update(_of_descendants(os.getpid()))
        found.mb = _peak_mb(os.getpid()) + sum(others.values())


def _of_descendants(pid: int) -> dict[int, float]:
    """By process, its peak in MB; one that ends meanwhile is left out."""
    peaks: dict[int, float] = {}
    for thread in Path(f"/proc/{pid}/task").iterdir():
        try:
            children = [int(child) for child in (thread / "children").read_text().split()]
            for child in children:
                peaks |= _of_descendants(child)
                peaks[child] = _peak_mb(child)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return peaks


def _peak_mb(pid: int) -> float:
    """Raises ProcessLookupError where the process has ended, and waits for its parent to notice."""
    status = Path(f"/proc/{pid}/status").read_text()
    if "VmHWM:" not in status:
        raise ProcessLookupError
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
