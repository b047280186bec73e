"""Calls of OpenAI-compatible endpoints: requests, retries, prices, batch files, Ray, and the store of every answer.

Knows nothing of queries or judging. A paid answer is on disk before it counts. Imports `config`, `locks`, `model_names`
and `types` only. Called by `generate` and `judge`.
"""
