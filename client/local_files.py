"""Files on this computer: names that may be written, scanning, temporary files, attributes."""
