"""dualdiff side by side with its peers: run `python -m benchmarks`. Ratios are reported, never asserted."""
