"""Routers: the interface, the reference router, the baselines, training, deployment, submission, latency.

`registry` knows them by name; `interface` says what one is. Imports `features`, `submission` and what is below; torch
only in the reference router. Called by `studies` and `rsd-bench router`.
"""
