"""What every program of this project does first, whichever it is: it reads its settings and opens its log.

Floor 0, beside `wire/`: stands on nothing of ours. Which settings there are is said above it, in `config.py`.
"""
