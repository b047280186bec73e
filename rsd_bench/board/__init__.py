"""The leaderboard: a pure function of `submissions/` and a dataset, as JSON, CSV, Markdown and one static page.

Imports `evaluation`, `routers` (their names), `submission` and below; `rsd-bench board` and `submit ci` call it.
"""
