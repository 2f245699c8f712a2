"""Who takes part, in the order of each round, and up to which size unless asked for by name."""

from __future__ import annotations

from tests.benchmarks.stall import Entry

MEASURE = "floor"  # what the others are told in multiples of
OURS = "ours"
RIVAL = "afternoon"
GUIDE = "guide"

ALL = (
    Entry(MEASURE, title="floor", exact=True),
    Entry(OURS, title="ours, one worker", exact=True),
    Entry("two_workers", title="ours, two workers", exact=True, most=20_000),
    Entry(RIVAL, title="a good engineer's afternoon", needs=("polars",), most=20_000),
    Entry(
        "with_dask", title="the afternoon on Dask, two processes", needs=("polars", "dask", "distributed"), most=20_000
    ),
    Entry(GUIDE, title="the guide's way", most=20_000),
)
TITLES = {entry.module: entry.title for entry in ALL}


def takes_part(entry: Entry, *, visits: int, only: tuple[str, ...]) -> bool:
    """Whether a contestant runs at a size; those asked for by name run at every size, and the floor and ours always do."""
    if entry.missing:
        return False
    if only:
        return entry.module in (MEASURE, OURS, *only)
    return entry.most is None or visits <= entry.most
