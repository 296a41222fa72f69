"""Performance, as ratios from interleaved runs; never in a test."""
