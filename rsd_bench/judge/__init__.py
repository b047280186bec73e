"""Scores for answers: the judge's folder, its requests, the strict reading of verdicts, closed judges, the audit.

Imports `endpoints`, `sources`, `metrics` and what is below. Called by `rsd-bench judge`.
"""
