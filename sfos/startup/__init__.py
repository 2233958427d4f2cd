"""Start of every program of this project: all read their settings, the server and the window open their log file.

Floor 0, beside `sfos/wire/`: stands on nothing of ours. Which settings there are is said above it, in `config.py`.
"""
