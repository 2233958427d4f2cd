"""What every program of this project does first, whichever it is: it opens its log.

Floor 0, beside `wire/`: stands on nothing of ours, and knows neither settings nor protocol.
"""
