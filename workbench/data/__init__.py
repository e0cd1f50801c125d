"""From a source to checked examples: `sources.load_dataset`, `fingerprint.fingerprint`, `checks.check`.

A source is read into `tables.Table`s (files, hub datasets) or a picture folder, `records`
turns either into rows with an input and a target, `splits` says which row is trained on
and `sources` assembles the `Dataset`. Nothing is left out without being counted and named.
"""
