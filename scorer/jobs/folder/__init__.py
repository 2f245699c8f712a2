"""A job's folder: made, copied, compared, its features and source tables told.

Imports jobs and below.
"""
