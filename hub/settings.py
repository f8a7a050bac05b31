"""Every setting of the hub, read once from HUB_* environment variables (`.env.example` lists them)."""

from __future__ import annotations

from datetime import date, datetime
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Names are the environment variables without HUB_."""

    model_config = SettingsConfigDict(env_prefix="HUB_", env_file=".env", extra="ignore")

    home: Path = Field(default=Path("var/hub"), description="data folder: embedded database, landing files, backups")
    database_url: SecretStr | None = Field(default=None, description="any PostgreSQL >= 15; empty: the embedded one")
    application_url: SecretStr | None = Field(
        default=None, description="the same as role hub_app, where the owner of HUB_DATABASE_URL may not make roles"
    )
    lake_url: str = Field(
        default="",
        pattern="^$|^file:///.|^s3://.",
        description="file:///folder or s3://bucket/folder; empty: HUB_HOME/lake",
    )
    lake_s3_endpoint: str = Field(default="", description="of an S3-compatible store, http://host:port; empty: AWS")
    lake_s3_access_key: SecretStr | None = None
    lake_s3_secret_key: SecretStr | None = None
    lake_s3_region: str = ""
    host: str = "127.0.0.1"
    port: int = 8470
    api_processes: int = Field(default=2, gt=0, description="HTTP processes behind the one port")
    public_url: str = Field(default="", description="address people use, for links in mail; default http://host:port")
    group_currency: str = Field(default="CNY", pattern="^[A-Z]{3}$")
    zone: str = Field(default="Asia/Shanghai", description="zone of the group's business days")
    landing_days: int = Field(default=400, gt=0)
    idempotency_days: int = Field(default=400, gt=0)
    log_days: int = Field(default=30, gt=0)
    session_days: int = Field(default=7, gt=0)
    outbox_days: int = Field(default=7, gt=0)
    report_days: int = Field(default=90, gt=0)
    audit_days: int = Field(default=1_095, ge=180, description="how long the audit log is kept; at least half a year")
    smtp_url: SecretStr | None = Field(
        default=None, description="smtp[s]://user:password@host:port; empty: outbox page"
    )
    secret_keys: SecretStr | None = Field(
        default=None,
        description="Fernet keys, the newest first, for secrets the database keeps; empty: HUB_HOME/secret.key",
    )
    outgoing_networks: str = Field(
        default="",
        pattern=r"^[0-9a-fA-F.:/ ]*$",
        description="networks besides the public ones that providers and webhooks may lie in: 10.1.0.0/16 ...",
    )
    metrics_token: SecretStr | None = Field(
        default=None, description="bearer token for /metrics from other machines; empty: this machine only"
    )
    mail_from: str = "Group Hub <hub@localhost>"

    @property
    def address(self) -> str:
        """What people open."""
        return self.public_url or self.local

    @property
    def local(self) -> str:
        """Where this machine reaches the hub."""
        if self.host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
            return f"http://127.0.0.1:{self.port}"
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def today(self) -> date:
        """The group's business day."""
        return datetime.now(ZoneInfo(self.zone)).date()


@cache
def settings() -> Settings:
    return Settings()
