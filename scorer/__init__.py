"""Scores what is due in a PostgreSQL database: claim, read, validate, features, score, write, record."""

__version__ = "0.3.0"
