"""Who may see what, what is switched on, and who did what.

Imports database and the rooms below it.
"""
