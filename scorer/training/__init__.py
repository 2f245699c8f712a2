"""From a recipe to a model version on disk: folds, targets, fits, search.

Imports evaluation and all below.
"""
