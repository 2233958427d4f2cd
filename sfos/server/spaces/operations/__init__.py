"""Operations in a space, a module for each reason to change. `server.spaces.space.Space` is their one door.

context       what all of them work on: keys, catalog, chunk store, clock
destinations  references and targets resolved to rows
entries       rows as the entries that clients see; revisions and cursors
listing       stat; what is in folders
changes       changes since a cursor
change        one numbered commit: transaction, op_id, digest, HEAD, waking of watchers
items         files put in place
trees         folders made; moves, copies, deletions
contents      sealed lists of chunks
uploads       have, put_chunks, and the small chunks that come with a commit
downloads     manifest, get_chunks
"""
