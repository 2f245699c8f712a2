"""The hospital's tables: read for a batch, loaded for a demo or a test.

Imports database, jobs and the hall.
"""
