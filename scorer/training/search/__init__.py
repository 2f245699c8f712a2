"""The search for a model: trials of feature combinations and configurations, here or on other hosts.

Imports training and below.
"""
