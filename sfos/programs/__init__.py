"""The top floor: the programs. Each parses its arguments, loads the settings, builds what runs, and runs it; no logic.

The scripts at the top of a checkout call `main` with their own folder as home; the console scripts of an installed
package call `run`, whose home is the platform's directory for data. `--home` and SFOS_HOME outrank both. Of the command
line, which has no `--home`, both call `run`.
"""
