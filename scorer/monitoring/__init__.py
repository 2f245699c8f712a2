"""What becomes of a model in production: how its inputs and scores drift, how well it foretells, when it is due for training."""
