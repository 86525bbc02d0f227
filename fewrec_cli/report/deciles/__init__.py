"""Who gains and loses: finished runs split by decile of items and of users."""
