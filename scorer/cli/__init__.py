"""What a person types: one module for each group of commands.

The only room that prints and sets exit codes. Imports every room, inside functions, so that --help starts fast.
"""
