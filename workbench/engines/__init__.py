"""How work is done: in shards that can be resumed, with progress that a person can read."""
