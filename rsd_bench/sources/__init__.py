"""Foreign answers and queries come in: one room a format, all ending in one store.

A format yields `source.Source` (queries and responses, each with where it was read): `records_folder` (our own),
`vlmevalkit`, `lmms_eval`, `inspect_ai`, `lm_eval`, `table` (any other), `hub_queries` (queries alone). `recognise`
tells which it is. `store` keeps what they yield. The modules beside them read files, cells and media for all. Imports
`dataset` (for query statistics) and what is below. Called by `build`, `generate`, `judge` and the `data` commands.
"""
