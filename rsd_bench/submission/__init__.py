"""A router's decisions as a folder: written, read strictly, checked against a dataset.

Whatever a stranger hands in passes through here, bounded in size before it is unpacked. Imports `dataset` and what is
below. Called by `evaluation`, `board`, `routers` and `rsd-bench submit`.

A submission goes one way, and each module imports only those before it: `submission` (names and nouns), `thresholds`
(tau as lists and as arrays), `submission_files`, `metadata`, `row_schema`, `predictions` (rows, and their bounds), by
format `parquet_predictions` (over `parquet_pages` and `compact_thrift`) and `text_predictions`, `predictions_file`,
`row_faults`, `row_numbers`, `check_rows`, `check_submission`. On top of it: `new_submission` from an `author_table`,
with thresholds of `choose_thresholds`, and `pack_submission`, both in `canonical_form`. `proposal` reads a pull
request.
"""
