"""Secure File Orchestration and Synchronization System: a self-hosted, encrypted file server and its clients.

Nothing is loaded until it is asked for.
"""
