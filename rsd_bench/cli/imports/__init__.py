"""The commands of `rsd-bench data import`: one module a format, and what they share in `run_import`."""
