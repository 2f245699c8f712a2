"""PostgreSQL and how we speak to it: connections, sessions, statements, schema, partitions.

Imports the hall alone.
"""
