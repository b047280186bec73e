"""From a recipe and a store to a dataset folder: index, shards, card, Croissant, manifest, one rename.

Imports `sources`, `dataset`, `features` and what is below. Called by `data build` and, for the card, by `hub`.
"""
