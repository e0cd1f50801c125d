"""What an input is made of: how it is read, cut into features, hidden and shown.

Each module has the same functions: `encode` (inputs to model inputs), `segment` (an input
to the features a person can name), `hide` (masks to model inputs), `pool` (coordinates to
features) and a `Preparation` that travels with the model as JSON.
"""
