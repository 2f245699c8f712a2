"""The reporting views, read for pages by who may read nothing else: a value for each row.

Imports database and below.
"""
