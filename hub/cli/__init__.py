"""Door: the command `hub`. Each command's work lies beside it or in the kernel; this file only lists them."""

from __future__ import annotations

import typer

from hub.cli import admin, audit, bench, build, care, demo, lake, serve

app = typer.Typer(
    name="hub",
    help="Group Hub: every legacy stock system of a group in one golden inventory view.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    add_completion=False,
)
app.command("up")(serve.up)
app.command("demo")(demo.demo)
app.command("demo-reset")(demo.demo_reset)
app.command("migrate")(serve.migrate)
app.command("api", hidden=True)(serve.api)
app.command("worker")(serve.worker)
app.command("bench")(bench.bench)
app.command("build")(build.build)
app.command("sql")(build.sql)
app.command("report")(build.report)
app.command("answer", hidden=True)(build.answer)
app.command("repair")(build.repair)
app.command("doctor")(care.doctor)
app.command("backup")(care.backup)
app.command("restore")(care.restore)
app.add_typer(admin.app, name="admin")
app.add_typer(audit.app, name="audit")
app.add_typer(lake.app, name="lake")
