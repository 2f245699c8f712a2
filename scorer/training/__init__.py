"""From a recipe to a model version on disk: folds, targets, fits, figures, search.

Imports checks and all below.
"""
