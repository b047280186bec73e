"""A built dataset folder: what it holds, how it is opened, checked and split.

`load` gives it to a researcher, `benchmark` to scoring, both after a look at its figures (`check_figures`);
`check_dataset` proves it against its manifest. Imports `metrics` and what is below. Called by `build`, which writes
such folders, and by all that score, train or publish.
"""
