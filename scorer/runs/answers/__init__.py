"""What is asked for on demand, carried down the line: found, held, scored, answered.

Imports scoring and below.
"""
