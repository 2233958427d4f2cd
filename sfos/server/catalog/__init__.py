"""The catalog of a space: its tree, its history and its chunks, as rows. SQLAlchemy Core, SQLite first.

schema        the tables, frozen by the first stored byte
engine        connections and transactions
statement     Core expressions compiled once and run on the driver's cursor
migrations    the schema's version, and the way from one to the next
states        a state of a node: the row, its kinds and ends
changeset     what one commit changes, collected and then written in bulk
chunk_rows    the rows of chunks and lists
wanted        what a request for contents needs of many nodes, in one statement
space_row     the row of the space itself: its counters
wrong_values  values that no program of ours writes
head          the HEAD file, which may lag behind the catalog and never leads
"""
