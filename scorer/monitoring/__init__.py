"""Looks and reports, changes nothing: status, health, metrics, checkups, live performance.

Imports governance and all below.
"""
