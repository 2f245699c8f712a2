"""What a model version is: manifest, artefact, loaded model, card, what it declines.

Imports database and the rooms below it.
"""
