"""Frozen values and the enums that database, jobs and program share.

Imports nothing of ours.
"""
