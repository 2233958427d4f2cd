"""Work on files and folders that several commands share."""
