"""Catalog's background work, apart from its API."""
