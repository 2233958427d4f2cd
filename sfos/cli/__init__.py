"""The command line: what `cli_client.py` runs.

    main        one command from its first word to its exit code
    parser      the grammar of the whole program; a command's own file is loaded when it is given
    commands/   a file for each command, and the table that names them
    admin/      a file for each of the administrators' commands, and their table
    files/      what several commands do with files: copy by its rules, transfer, read
    front/      under all of them: streams and questions, output, signing in, exit codes, what a command is made of

Imports go down these lines only. Nothing here is imported by the client library or the window.
"""
