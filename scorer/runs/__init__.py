"""From what is due to a balanced run: work enqueued, workers, clusters, requests, plans.

Imports scoring and all below.
"""
