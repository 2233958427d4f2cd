"""The page of the files: folders, the list, and what is done in them.

page      what the window knows of it                        session   presenters of one session, wired to the views
commands  what can be told to it, and when                   orders    does that, asking first where it must
views     bar, folder_tree, file_list, placeholder, drop     browser, folders, operations, ordering   without a display
"""
