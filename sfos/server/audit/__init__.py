"""The audit log: who did what, in lines that are bound to each other.

chain         the form of a line, its keyed hash, the key, and the mark that says where the log ends
sums          what happens too often for a line each
chained_file  a file of such lines, over rotation and restarts
log           the log as the server writes it: what users did, and beside it what strangers caused
reading       which files it has, and its last lines
verify        what was changed, removed or put in another order
"""
