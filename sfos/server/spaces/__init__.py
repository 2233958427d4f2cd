"""Spaces: their directories, registry and commits, and what is done in them."""
