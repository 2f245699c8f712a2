"""What a site plugs in: who sees which facility, flags, FHIR, files.

One module for each command. Imports every room, inside functions, as cli does.
"""
