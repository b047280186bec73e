"""Experiments of `docs/results.md`: each runs routers over a dataset and writes a table, a picture and the page.

Imports `routers`, `evaluation` and what is below; nothing but `cli` imports it.
"""
