"""How good a model is: landmarks, a cohort scored hour by hour, its figures, and the page of them.

Imports runs and all below.
"""
