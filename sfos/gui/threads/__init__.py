"""Between worker threads and Tk's: the bridge that brings results back, and who collects garbage when."""
