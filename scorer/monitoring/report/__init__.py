"""The report: what a day, a week or a run came to, as one page; read from the reporting views, and nothing computed anew.

Imports monitoring and all below.
"""
