"""A router's decisions as a folder: written, read strictly, checked against a dataset.

Whatever a stranger hands in passes through here, bounded in size before it is unpacked. Imports `dataset` and what is
below. Called by `evaluation`, `board`, `routers` and `rsd-bench submit`.

A submission goes one way, and each module imports only those before it: `submission` (names and nouns),
`submission_files`, `metadata`, `predictions` (rows, and their bounds), by format `parquet_predictions` (over
`parquet_pages` and `compact_thrift`) and `text_predictions`, `predictions_file`, `check_rows`, `check_submission`.
On top of it: `new_submission` from an `author_table`, and `pack_submission`, both in `canonical_form`. `proposal` reads
a pull request.
"""
