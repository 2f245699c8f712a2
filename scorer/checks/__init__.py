"""What must hold before scoring may start, a module for each subject.

Imports evaluation and all below.
"""
