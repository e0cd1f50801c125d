"""The report: a run directory as one self-contained page; needs neither torch nor a task."""
