"""How good a model is: a cohort scored hour by hour as production would have seen it, and what comes of it."""
