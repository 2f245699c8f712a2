"""What happened: events, their forms in the journal and on a terminal, bugs that recur.

Imports errors alone.
"""
