"""Who may see what, what is switched on, and who did what.

One function for each statement of sql/engine/. Imports database and the rooms below it.
"""
