"""The audit log: who did what, in lines that are bound to each other.

chain    the form of a line, its keyed hash, the key, and the mark that says where the log ends
log      the log as the server writes it, over rotation and restarts
reading  which files it has, and its last lines
verify   what was changed, removed or put in another order
"""
