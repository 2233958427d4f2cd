"""The page for administrators: accounts and their limits, sessions, waits after wrong passwords, the audit log.

page   what is shown     presenter   what is known, and what becomes of an order     rows   all of it in words
commands, orders   what can be done, and the question before it     account_dialogs   a new account, a password, limits
"""
