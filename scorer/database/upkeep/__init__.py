"""Our tables kept in shape: partitions, statistics, retention, and what an upgrade locks.

Imports database, its store, and the rooms below database.
"""
