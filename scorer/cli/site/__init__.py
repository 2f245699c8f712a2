"""What a site plugs in: who sees which facility, flags, FHIR, files.

Imports every room, inside functions, as `cli/` does.
"""
