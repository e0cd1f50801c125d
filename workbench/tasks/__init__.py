"""One file a task: how outputs become predictions, what is asked of one, and the scalar that answers."""
