"""A router's decisions as a folder: written, read strictly, checked against a dataset.

Whatever a stranger hands in passes through here, bounded in size before it is unpacked. Imports `dataset` and what is
below. Called by `evaluation`, `board`, `routers` and `rsd-bench submit`.
"""
