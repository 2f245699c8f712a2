"""What differs between binary, multiclass and regression jobs: labels, losses, figures, sets, bands.

Imports jobs and the rooms below it.
"""
