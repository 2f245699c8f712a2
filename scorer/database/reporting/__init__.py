"""The reporting views, read for pages by who may read nothing else; a value for each row, and no entity unless asked for.

Imports database and below.
"""
