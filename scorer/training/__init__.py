"""Training: landmarks, folds, targets, estimators, and from them a search and a model version on disk."""
