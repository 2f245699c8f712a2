"""A job's definition: job.toml, section by section, its statements and suites, read and checked.

Imports errors, types, config and log alone.
"""
