"""From observations and attributes to the feature matrix: series, their statistics, the calendar.

Imports types, jobs and errors alone.
"""
