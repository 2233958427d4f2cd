"""The transfers' place in the window: queue, progress, conflicts."""
