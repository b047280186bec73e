"""Foreign answers and queries come in: one module per format, all ending in one store.

A format yields `source.Source` (queries and responses, each with where it was read); `store` keeps it, `outcomes`
changes what it holds. Imports `dataset` (for query statistics) and what is below. Called by `build`, `generate`,
`judge` and the `data import` commands.
"""
