"""The versions a result must name, kept apart so that reading them imports nothing."""

__version__ = "0.1.0"

#: Version of the definitions in docs/metrics.md. A change of any formula is a new version.
METRICS_VERSION = 1

#: Version of the dataset folder (columns, files, manifest). Those of version 1 are read: their tracks are fixed tests.
DATA_SCHEMA_VERSION = 2

#: Version of submission.json and of the predictions table. Those of version 1 are made anew: they knew no repeats.
SUBMISSION_SCHEMA_VERSION = 2

#: Version of a checkpoint of the reference router.
ROUTER_SCHEMA_VERSION = 1
