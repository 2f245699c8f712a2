"""What every page for people is made of: escaped text, tables, drawings, one dress.

Imports errors.
"""
