"""Stores of sealed chunks: one interface (`store`), and its implementations on a local disk.

`disk` keeps a file for each, `small` keeps tokens of at most 64 KiB in a database of their own, `tiered` sends each
token to the right one of both, and `local` opens all three. An object store takes its place here later. `files` is the
layer below `disk` that tests replace by one that fails or forgets.
"""
