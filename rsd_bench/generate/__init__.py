"""Live answers: ask models the queries of a store, and file what they said.

Imports `endpoints`, `sources` and what is below. Called by `rsd-bench generate`.
"""
