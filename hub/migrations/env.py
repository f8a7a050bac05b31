"""Door: what Alembic runs. The connection comes from hub.migrate, which holds the lock and the limits."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from alembic import context

from hub.database import Base

MODELS = (
    "hub.models",
    "identity.models",
    "identity.oauth.models",
    "identity.audit.models",
    "identity.invitations.models",
    "identity.organisations.models",
    "identity.partners.models",
    "identity.people.models",
    "identity.strong.models",
    "identity.federation.models",
    "identity.scim.models",
    "masterdata.landscape.models",
    "masterdata.intake.models",
    "masterdata.ledger.models",
    "masterdata.materials.models",
    "masterdata.golden.models",
    "masterdata.lake.models",
    "masterdata.reports.models",
    "masterdata.disclosure.models",
)

for name in MODELS:
    if find_spec(name) is not None:
        import_module(name)


def include_name(name: str | None, kind: str, parents: Any) -> bool:
    """The job queue's tables come from its own package, the lake's catalog is PyIceberg's: no models here."""
    table = parents.get("table_name") if kind != "table" else name
    return not str(table or "").startswith(("procrastinate_", "iceberg_", "lake_token"))


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    include_name=include_name,
    compare_type=True,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
