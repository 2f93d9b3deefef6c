"""What is run by hand and not shipped: the demo, and the benchmarks."""
