"""Validation: suites of expectations, rules compiled or left to Great Expectations, results by row.

Imports jobs and the rooms below it.
"""
