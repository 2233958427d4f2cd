"""Choosing files and folders of this computer: to upload, and to put downloads into.

choose   the system's own dialog where there is a good one, else ours     dialog     its view
presenter   what it shows, and what a button or a typed path means        places, spelling, local_folder   its parts
"""
