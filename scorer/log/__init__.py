"""What happened: events, their forms in the journal and on a terminal, bugs told once an hour.

Imports errors alone.
"""
