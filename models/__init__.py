"""Fitted pipelines and their manifests: models/<job>/<version>/."""
