"""The hospital's tables: read for a batch, loaded for a demo or a test.

Imports database and the rooms below it.
"""
