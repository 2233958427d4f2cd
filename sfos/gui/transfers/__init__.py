"""Uploads and downloads: the panel with its rows, questions about what is there already, and a queue that is kept."""
