"""How good a model is: landmarks, a cohort scored hour by hour, figures, the page.

Imports runs and all below.
"""
