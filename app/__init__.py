"""A shop's backend for its frontends: one request in, one merged answer out, seven services behind it."""
