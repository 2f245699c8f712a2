"""Worker threads of one run: used as worker processes are, but they share memory and cannot be killed.

They end after what they have in hand, or with the process.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Self

from threadpoolctl import threadpool_limits

from scorer.runs.processes import ending_of

_lock = threading.Lock()
_inside = 0
_limits = ExitStack()


@contextmanager
def libraries_on_one_thread() -> Iterator[None]:
    """Within it, in any number of threads at once, BLAS stays at one thread of its own.

    Scoring and fitting limit it to one, and afterwards restore what was found. Where two overlap, the first that ends would end the other
    one's limit too, and scores could come to depend on the machine's cores.
    """
    global _inside  # noqa: PLW0603 - the limit is the process's
    with _lock:
        _inside += 1
        if _inside == 1:
            _limits.enter_context(threadpool_limits(limits=1))
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _limits.close()


class WorkerThreads:
    """So many threads, within a `with` block, whose end waits for those that are still at work."""

    def __init__(self, count: int, task: Callable[..., None], *arguments: object) -> None:
        """Each calls `task` with `arguments`, and functions `show(step)`, `stopping()`."""
        self._words: queue.SimpleQueue[str | tuple[Exception | None]] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._take_part, args=(task, arguments), name=f"worker {number}", daemon=True)
            for number in range(1, count + 1)
        ]
        self._at_work = 0
        self._asked = threading.Event()
        self._limit = ExitStack()

    def __enter__(self) -> Self:
        self._limit.enter_context(libraries_on_one_thread())
        for thread in self._threads:
            thread.start()
            self._at_work += 1
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.dismiss()
        if kind is None or issubclass(kind, Exception):  # else the process is ending, and they with it
            for thread in self._threads:
                thread.join()
            self._limit.close()

    @property
    def working(self) -> bool:
        """Whether any of them is, or has reported something that is not heard yet."""
        return self._at_work > 0 and (not self._words.empty() or any(thread.is_alive() for thread in self._threads))

    @property
    def dismissed(self) -> bool:
        """Whether they were asked to end."""
        return self._asked.is_set()

    def hear(self, seconds: float) -> list[str]:
        """Wait for steps, for so many seconds at most. Returns those reported. Raises what a thread raised."""
        try:
            words = [self._words.get(timeout=seconds)]
            while not self._words.empty():
                words.append(self._words.get())
        except queue.Empty:
            return []
        ended = [word for word in words if isinstance(word, tuple)]
        self._at_work -= len(ended)
        for (error,) in ended:
            if error is not None:
                raise error
        return [word for word in words if isinstance(word, str)]

    def dismiss(self) -> None:
        """Ask each to end after what it has in hand."""
        self._asked.set()

    def _take_part(self, task: Callable[..., None], arguments: tuple[object, ...]) -> None:
        self._words.put((ending_of(lambda: task(*arguments, self._words.put, self._asked.is_set)),))
