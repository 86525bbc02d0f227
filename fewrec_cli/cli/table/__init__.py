"""Published tables: what varies and is compared, which runs that takes, and running them."""
