"""The service: loops, the schedule, requests, nightly chores, readiness, systemd.

Imports monitoring and all below.
"""
