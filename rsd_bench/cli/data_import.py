"""`rsd-bench data import`: bring published answers or queries into a store. A format's command is in `imports`."""

from __future__ import annotations

from rsd_bench.cli import panels
from rsd_bench.cli.imports.hub import import_hub
from rsd_bench.cli.imports.inspect_ai import import_inspect
from rsd_bench.cli.imports.lm_eval import import_lm_eval
from rsd_bench.cli.imports.lmms_eval import import_lmms_eval
from rsd_bench.cli.imports.records import import_records
from rsd_bench.cli.imports.served import import_served
from rsd_bench.cli.imports.table import import_table
from rsd_bench.cli.imports.vlmevalkit import import_vlmevalkit

app = panels.App("Bring published answers or queries into a store.")
app.command("records")(import_records)
app.command("vlmevalkit")(import_vlmevalkit)
app.command("lmms-eval")(import_lmms_eval)
app.command("table")(import_table)
app.command("inspect")(import_inspect)
app.command("lm-eval")(import_lm_eval)
app.command("hub")(import_hub)
app.command("served")(import_served)
