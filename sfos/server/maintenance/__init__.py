"""Work on stored spaces that no client asks for.

each_space   verify, gc, expire, stats: one space after the other         whole_home   backup, restore, rotate-key, …
verify       looks for damage (verify_…, findings)                         recover      gets files out (salvage)
gc, expire   free what nothing needs any more; upkeep: on a schedule       backup       restore, prune, backup_layout
rotate       gives new keys, beside a running server                       shred        takes keys away

All but restore and shred is safe beside a running server, also from another process.
"""
