"""Models and scores that must answer: promotion with evidence, explanations, replay, recall.

Imports training and all below.
"""
