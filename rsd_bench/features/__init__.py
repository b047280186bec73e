"""What a router may see of a query: frozen encoder vectors and query statistics, in the order of a dataset.

`encode` makes them once, `feature_table` reads them. Imports `dataset` and what is below; torch only where an encoder
runs. Called by `routers`, `studies` and `build` (an edition may carry its features).
"""
