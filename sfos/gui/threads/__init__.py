"""Between worker threads and Tk's."""
