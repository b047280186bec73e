"""The formulas: label, APSP, CA, AIL, RCS, sweep, oracles, bootstrap, rank bands, calibration, latency of a pair.

Version 2: K tiers and cascades (`tiers`, `tier_policies`), lift and skill, escalation and savings, the cost frontier.
Pure numpy on arrays that `arrays` has checked; reads and writes no file. Imports `types` and `config` only. Called by
everything that scores: `evaluation`, `routers`, `board`, `studies`, and `rsd_bench.score_routing` and its neighbours.
"""
