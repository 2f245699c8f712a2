"""The report: what a day, a week or a run came to, as one page.

It is read from the reporting views.

Imports monitoring and all below.
"""
