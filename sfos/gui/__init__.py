"""The desktop window. Imports `client`, `protocol` and `config`; never the server, nor another front end.

    shell       the window: panes, navigation between pages, what one session needs
    files       the page of the files            account     sessions, password, usage of who is signed in
    transfers   the panel and its rows           preview     decoding and showing files      signing_in  the way in
    page        what a page is to the window     commands    what a command is     nodes   their keys
    widgets, look, threads                       model, wording   plain values and words

Nothing here blocks Tk's thread on network, disk or decoding.
"""
