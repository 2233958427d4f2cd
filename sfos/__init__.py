"""SFOS, the Secure File Orchestration and Synchronization System: a self-hosted, encrypted file server and its clients.

Nothing is loaded until it is asked for.
"""

PRODUCT = "SFOS"  # its one name, wherever people read it; and for those who ask what it stands for:
FULL_NAME = "Secure File Orchestration and Synchronization System"
__version__ = "0.1.0"  # the one place; pyproject.toml reads it here
