"""Keys that a sequence gives out in order, and that are committed in any order: which of them are still to come.

Each row is met once: those above the newest key, and those below it that were not to be seen yet, or not ended, at an earlier look.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

_PATIENCE = 3600.0  # seconds that a key is waited for, which most likely was rolled back
_WIDEST = 10_000  # keys that are waited for at most, where a sequence leaps


@dataclass(frozen=True, slots=True)
class SequenceGaps:
    """The newest key met, and the keys below it that are still to come, with the time since when."""

    newest: int
    open: Mapping[int, float] = field(default_factory=dict)

    def after(self, ended: Collection[int], *, lasting: Collection[int] = (), now: float) -> SequenceGaps:
        """The tail after a look that met the keys `ended`, for good, and `lasting`, which are to be met again.

        >>> tail = SequenceGaps(newest=4).after([5, 8], now=0.0)
        >>> tail.newest, sorted(tail.open)
        (8, [6, 7])
        >>> sorted(tail.after([6], now=1.0).open)
        [7]
        """
        newest = max([self.newest, *ended, *lasting])
        unseen = range(max(self.newest, newest - _WIDEST) + 1, newest + 1)
        waited_for = {**dict.fromkeys(unseen, now), **self.open} | dict.fromkeys(lasting, now)
        for key in ended:
            waited_for.pop(key, None)
        return SequenceGaps(
            newest=newest, open={key: since for key, since in waited_for.items() if now - since <= _PATIENCE}
        )
