"""Metrics as pure functions on padded arrays: ratings, rankings, lists, statistics."""
