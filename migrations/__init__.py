"""Alembic revisions of the scorer and reporting schemas."""
