"""PostgreSQL and how we speak to it: connections, sessions, statements, schema, partitions.

Imports errors, types, config and log alone.
"""
