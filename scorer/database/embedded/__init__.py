"""A PostgreSQL of our own: its binaries, and a server that stays.

Imports errors, types, config and log alone.
"""
