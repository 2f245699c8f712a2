"""Expectations, judged: suites, rules compiled or left to Great Expectations, results by row.

Imports jobs and the hall alone.
"""
