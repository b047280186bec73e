"""The leaderboard: a pure function of `submissions/` and a dataset, as JSON, CSV, Markdown and one static page.

Imports `evaluation`, `submission`, the names of `routers`, and what is below. Called by `rsd-bench board` and
`submit ci`.
"""
