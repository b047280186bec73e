"""Scores for answers: the judge's folder, its requests, the strict reading of verdicts, closed judges, the audit,
and what people say: their scores, and scenarios from whom answers satisfy.

Imports `endpoints`, `sources`, `metrics` and what is below. Called by `rsd-bench judge`.
"""
