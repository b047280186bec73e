"""Scores of a submission: every track and scenario it enters, with intervals; on private outcomes with noise.

Imports `submission`, `dataset`, `metrics`. Called by `board`, `studies`, `rsd-bench eval` and `compare`.
"""
