"""One batch in one transaction: read, validate, features, predictions, outcomes, records.

Imports registry, its own validation, and all below.
"""
