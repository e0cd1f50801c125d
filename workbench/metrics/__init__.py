"""Metrics: pure functions of one prediction type, each with interval, direction and signature."""
