"""How far an explanation can be trusted: pure functions on a probe and an attribution's values."""
