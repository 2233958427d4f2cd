"""Previews of untrusted files: decoded in a process of their own, shown from plain values.

blocks    what a preview is made of (frozen messages between the two processes)
decode    the worker: `python -m sfos.gui.preview.decode`, one file, then it ends
host      starts the worker with limits, feeds it, kills it when it hangs or is no longer wanted
presenter fetches a file and has it decoded                  viewer    shows the selection in two areas
area      draws a block         details   the pane beside the list         window    the large preview
"""
