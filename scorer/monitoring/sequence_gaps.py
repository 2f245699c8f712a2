"""Which keys of a sequence are still to come: given out in order, they are committed in any order.

With this each row is read once: the rows above the newest key, and those below it that were not committed, or not ended, at an earlier
read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

_PATIENCE = 3600.0  # seconds until a missing key is given up as rolled back
_WIDEST = 10_000  # missing keys that are kept at most, where a sequence leaps


@dataclass(frozen=True, slots=True)
class SequenceGaps:
    """The newest key read, and the keys below it that are still to come, each with the time since when."""

    newest: int
    open: Mapping[int, float] = field(default_factory=dict)

    def after(self, ended: Collection[int], *, lasting: Collection[int] = (), now: float) -> SequenceGaps:
        """The gaps after a read that found the keys `ended`, and `lasting`, which are to be read again.

        `now` is in seconds of a clock that only grows.

        >>> gaps = SequenceGaps(newest=4).after([5, 8], now=0.0)
        >>> gaps.newest, sorted(gaps.open)
        (8, [6, 7])
        >>> sorted(gaps.after([6], now=1.0).open)
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
