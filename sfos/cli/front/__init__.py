"""The command line's way in: reading what was asked, signing in, questions, output, exit codes."""
