"""What must hold before scoring may start, a module for each subject.

Imports runs and all below.
"""
