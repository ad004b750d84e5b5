"""Figures, not tests: `make bench`. Everything is measured in one run on one machine; quote ratios and medians."""
