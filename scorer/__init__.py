"""Scores what is due in a PostgreSQL database: claim, read, validate, features, score, write, record."""

from scorer.version import __version__

__all__ = ["__version__"]
