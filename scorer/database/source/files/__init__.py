"""Files of comma-separated values: rows, fields as COPY reads them, and those that cannot be read.

Imports types and errors.
"""
