"""The wire contract between agent and hub: streams and fields as the ODCS documents in `contracts/` state them,
and the header that travels with every batch. The documents are the one source; nothing here repeats a field."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

import yaml
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    import pyarrow as pa

Sync = Literal["full", "incremental", "event"]
Counts = Literal["balance", "movements", "balance+movements"]

# Columns every batch file carries beside the contract's: the row's number in the read, the row as the legacy
# system gave it (JSON text), and what the agent could not read of it (null for a sound row).
ENVELOPE = ("_row", "_raw", "_problem")

ROW_GROUP_ROWS = 4_096
EVENT_LINES_MAX = 512


@dataclass(frozen=True)
class ContractField:
    """One field of a stream; `type` is a DuckDB type name."""

    name: str
    type: str
    required: bool
    is_key: bool
    description: str
    quality: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Stream:
    """One common record: its fields in order, and the promised latency of its feed in seconds."""

    name: str
    title: str
    version: str
    fields: tuple[ContractField, ...]
    sla_seconds: int

    @property
    def key(self) -> tuple[str, ...]:
        return tuple(f.name for f in self.fields if f.is_key)

    @property
    def arrow_schema(self) -> pa.Schema:
        """The exact schema of a batch file: envelope first, then the contract's fields in order. Arrow is loaded
        by who asks for it."""
        import pyarrow as pa

        types = {
            "VARCHAR": pa.string(),
            "DECIMAL(38,9)": pa.decimal128(38, 9),
            "TIMESTAMPTZ": pa.timestamp("us", tz="UTC"),
            "DATE": pa.date32(),
            "BOOLEAN": pa.bool_(),
        }
        envelope = zip(ENVELOPE, (pa.int64(), pa.string(), pa.string()), strict=True)
        return pa.schema([*envelope, *((f.name, types[f.type]) for f in self.fields)])


class BatchHeader(BaseModel):
    """What an agent says about a batch before it sends the body. One batch holds one organisation, one stream,
    one coverage. `observed_at` is the source's clock at the start of one consistent read (`clock` says whose)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    batch_id: UUID
    system: str = Field(min_length=1, max_length=80)
    organisation: str = Field(min_length=1, max_length=80)
    coverage: str = Field(default="all", min_length=1, max_length=120)
    stream: str
    sync: Sync
    counts: Counts = "balance"
    observed_at: AwareDatetime
    clock: Literal["source", "agent"] = "source"
    read_seconds: int = Field(default=0, ge=0, description="how long the read lasted: a row may be that much younger")
    cursor: str | None = None
    rows: int = Field(ge=0)
    size: int = Field(ge=0, description="bytes of the body")
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    contract_version: str = "1.0.0"
    mapping: str = Field(default="", max_length=120, description="name of the mapping that made the batch")
    mapping_sha256: str = Field(default="", max_length=64)
    traceparent: str = Field(default="", max_length=55)
    sla_seconds: int | None = Field(default=None, gt=0, description="the mapping's promise for this stream")


_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


@cache
def streams() -> dict[str, Stream]:
    """All streams by name, read once from the ODCS documents that ship with the package."""
    documents = sorted((files("connectors") / "contracts").iterdir(), key=lambda p: p.name)
    parsed = (_stream(yaml.safe_load(d.read_text("utf-8"))) for d in documents if d.name.endswith(".yaml"))
    return {s.name: s for s in parsed}


def _stream(document: dict[str, Any]) -> Stream:
    (table,) = document["schema"]
    latency = next(p for p in document["slaProperties"] if p["property"] == "latency")
    fields = tuple(
        ContractField(
            name=p["name"],
            type=p["physicalType"],
            required=p["required"],
            is_key=p.get("primaryKey", False),
            description=p["description"],
            quality=tuple(p.get("quality", ())),
        )
        for p in table["properties"]
    )
    return Stream(
        table["name"], table["businessName"], document["version"], fields, latency["value"] * _SECONDS[latency["unit"]]
    )


def utc_text(instant: datetime) -> str:
    """RFC 3339 in UTC with microseconds, as headers and cursors carry it."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds")
