"""The ways to do the same work: fastdag, what a user would pick instead, and code written by hand."""
