"""Floor 2: the client library, for the window and the command line alike. Imports go down this list only.

    transfer        uploads and downloads of many files: plan, pool, resume, progress, cancel
    tree            nodes of a space and their paths, kept up to date by its changes
    session/        a signed-in user: control connection, more connections, reconnecting, tickets
    api             one space, as a program works in it; administration: accounts, sessions, penalties
    listing         folders of a space, listed and walked
    watch           changes, as they happen
    contents        reading files from a server that is not trusted to send the right bytes
    net/            TLS connections, trust in keys
    local/          this computer: scanning, cutting, writing, names, places, private files
    commands        one typed method for each command of the protocol
    nodes           (space, node): the key of whatever is kept about a node
    options         how patient a client is, and how much it does at once
    retry           waiting and trying again
    errors          what only a client can run into
    address         where a server is

Nothing here prints, asks or reads global settings.
"""
