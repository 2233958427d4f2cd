"""Harness that the programs of bench/ stand on.

processes   programs run, timed and watched        data    what they move, generated
relay       a TCP link that delays and counts      machine what all of it ran on
side        what every program under test can do   ours · ceiling_side · openssh · rclone · restic  each of them
bench       sizes, rounds, results                 works_* what is measured
goals       what was to be reached                 report  the tables
"""
