"""What a run does, one file a stage; each reads and writes the run directory."""
