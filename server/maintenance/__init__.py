"""Work on stored spaces that no client asks for: collecting garbage (`gc`), looking for damage (`verify`), `stats`.

All of it is safe beside a running server, also from another process.
"""
