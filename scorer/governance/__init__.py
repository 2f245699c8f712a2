"""Models and scores that must be accounted for: promotion with evidence, explanations, replay, recall.

Imports training and all below.
"""
