"""Look of the window: palette, theme and styles, icons, scaling, and kinds of files with their icons."""
