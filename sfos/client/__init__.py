"""Floor 2: the client library, for the window and the command line alike.

    address      where a server is
    trust        which server keys are known (pins), and what to do about others
    errors       what only a client can run into
    options      how patient a client is, and how much it does at once
    tls          pyOpenSSL, without what a client seldom needs of it
    sockets      reaching a server, what network errors mean to people
    waits        growing waits between tries
    connection   one TLS connection: handshake, frames, requests and replies, in one thread at a time
    attaching    hello and attach: joining a session by its ticket
    login        hello and SCRAM: a session by a password
    lean         what libraries load and no command uses, left out
    ahead        connections and answers that are there before they are asked for
    session      a signed-in user: control connection, more connections, watching, reconnecting
    commands     one typed method for each command of the protocol
    watch        what changes, as it changes
    contents     reading files from a server that is not trusted to send the right bytes
    api          what programs want to do: list, walk, move, delete, read a range
    chunking     cutting files and naming the pieces
    local_names  names of the server on this computer
    local_scan   what is to be uploaded
    local_files  temporary names, attributes, never through a link
    transfer     uploads and downloads of many files: plan, pool, resume, progress, cancel
    tickets      a session kept between two commands
    places       where pins, tickets and remembered choices are kept
    private_files  small files for their owner alone
    cli          the command line, built on all of this

But for `cli`, nothing here prints, asks or reads global settings.
"""
