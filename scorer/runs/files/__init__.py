"""Files without a database: CSV in, CSV out, down the same line.

In a scratch database of the embedded PostgreSQL.

Imports `runs/` and all below.
"""
