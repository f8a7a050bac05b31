"""A token that comes again tells whose grant ended by it; the owner of a client, for the log of what concerns it."""

from __future__ import annotations

from alembic import op

from hub.migrations.fences import APP_ROLE
from hub.migrations.scripts import drop_functions, run_script

revision = "20261124_18"
down_revision = "20261124_17"

REPLACED = ("oauth_redeem_code(bytea, uuid)", "oauth_rotate(bytea, uuid, bytea, bytea, int, int)")
ADDED = ("oauth_client_owner(uuid)",)


def upgrade() -> None:
    for function in REPLACED:
        op.execute(f"drop function {function}")
    run_script("oauth_reuse")
    _close(*REPLACED, *ADDED)


def _close(*functions: str) -> None:
    """They run as the owner, and only the application may call them."""
    for function in functions:
        op.execute(f"alter function {function} security definer set search_path = pg_catalog, public, pg_temp")
        op.execute(f"revoke all on function {function} from public")
        op.execute(f"grant execute on function {function} to {APP_ROLE}")


def downgrade() -> None:
    drop_functions("oauth_reuse")
    run_script("oauth", lambda script: "".join(_of(script, function) for function in REPLACED))
    _close(*REPLACED)


def _of(script: str, function: str) -> str:
    """One function out of a script."""
    start = script.index(f"create function {function.partition('(')[0]}(")
    return script[start : script.index("\n$$;", start) + 5]
