"""Pages: what every page for people is made of: escaped text, tables, figures, landmarks, and a dress for screen, dark and paper.

Imports errors.
"""
