"""A PostgreSQL of our own: its binaries, and a server that stays.

Imports the hall alone.
"""
