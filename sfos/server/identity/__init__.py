"""Accounts, credentials, sessions and penalties."""
