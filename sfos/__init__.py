"""Secure File Orchestration and Synchronization System: a self-hosted, encrypted file server and its clients.

Nothing is loaded until it is asked for.
"""

PRODUCT = "SFOS"  # its name, wherever people read it
__version__ = "0.1.0"  # the one place; pyproject.toml reads it here
