"""What the window does, in plain Python: presenters keep state, call the client library in threads, tell views.

They know `gui.tasks.TaskBridge` and `gui.model`, no widgets: each is tested without a display. All their methods run in
the thread that drains the bridge (Tk's), unless they say otherwise.
"""
