"""The version, where setup.cfg and the program both find it."""

__version__ = "0.2.0"
