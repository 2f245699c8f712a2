"""One job checked in depth: each of its statements, and what it may know too early.

Imports checks and below.
"""
