"""The services that the shop aggregates: small, real, and easy to break on purpose.

All of them run in one process, each on a port of its own: `python -m app.services`.
"""
