"""fastdag beside what a user would pick instead. Run from the top of the checkout: `python -m benchmarks.engine`."""
