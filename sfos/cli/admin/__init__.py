"""The administrators' commands."""
