"""The `rsd-bench` command: one module per group of commands, each importing what it needs when it runs.

The only package that knows typer. Imports everything; nothing imports it.
"""
