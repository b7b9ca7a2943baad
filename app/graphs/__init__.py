"""One file per route: which services it asks, what waits for what, and what the answer looks like."""
