"""Durable files, and the faults of disks."""
