"""A job's definition: job.toml, section by section, its statements and suites, read and checked.

Imports the hall alone.
"""
