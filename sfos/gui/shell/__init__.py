"""The window itself: from opening to closing, whichever page it shows.

app         one window, who is signed in comes and goes      workspace   one session: account, transfers, watch, pages
main_window panes around the page that is shown              navigator   which page is shown, and which were before
places      all pages: a new one is a line there             commands, actions   what can be told to the window itself
toolbar, side_pane, status_bar, help                         watching, choices, desktop, logs
"""
