"""A plant with one registered system, and batches delivered to it as by an agent: Parquet bodies, landed, applied."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from hashlib import sha256
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from connectors.contract import ROW_GROUP_ROWS, BatchHeader, streams
from hub.columns import new_id
from hub.database import Tenancy, unit_of_work
from identity.principal import Principal
from identity.scopes import AGENT_SCOPES
from masterdata.intake import upload
from masterdata.intake.apply import apply_batch
from masterdata.intake.events import Writer
from masterdata.intake.upload import Chunk

GROUP = UUID("00000000-0000-7000-8000-000000000001")
T0 = datetime(2026, 11, 1, 8, tzinfo=UTC)

_ORGANISATION = text("""
    insert into organisation (id, parent_id, key, kind, name_zh, name_en, seal, letter, rank, currency, zone)
    values (:id, :group, 'qingyu', 'subsidiary', '青屿', 'Qingyu', '青', 'Q', 1, 'CNY', 'Asia/Shanghai')""")
_SYSTEM = text("""
    insert into source_system (id, organisation_id, organisations, key, kind, name_zh, name_en, zone)
    values (:id, :org, array[cast(:org as uuid)], 'u8', 'yonyou-u8', '用友', 'U8', 'Asia/Shanghai')""")
_AGENT = text("insert into agent (id, organisation_id, name, health) values (:id, :org, 'edge', '{}')")
_GRANT = text("insert into agent_grant (organisation_id, agent_id, system) values (:org, :agent, 'u8')")


def parquet(stream: str, rows: list[dict[str, Any]], row_group: int = ROW_GROUP_ROWS) -> bytes:
    """A batch body as the agent writes it: `_row` counts from 0, `_raw` is the row itself unless given."""
    schema = streams()[stream].arrow_schema
    filled = [
        dict.fromkeys(schema.names) | {"_row": n, "_raw": json.dumps(row, default=str, ensure_ascii=False)} | row
        for n, row in enumerate(rows)
    ]
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(filled, schema), out, row_group_size=row_group, compression="zstd")
    return out.getvalue()


def stock(item: str, quantity: Any, place: str = "W1", unit: str = "C62", **more: Any) -> dict[str, Any]:
    return {
        "item_id": item,
        "place_id": place,
        "status": "unrestricted",
        "unit": unit,
        "quantity": Decimal(str(quantity)),
    } | more


def move(item: str, quantity: Any, line: str, at: datetime, **more: Any) -> dict[str, Any]:
    return stock(item, quantity, document="D1", line=line, kind="receipt", occurred_at=at, booked_at=at) | more


@dataclass
class Plant:
    """Organisation `qingyu` with system `u8` and one agent, on committed data."""

    engine: Engine
    id: UUID = field(default_factory=new_id)
    system_id: UUID = field(default_factory=new_id)
    agent_id: UUID = field(default_factory=new_id)

    @cached_property
    def writer(self) -> Writer:
        return Writer(lambda: Session(self.engine))

    def __post_init__(self) -> None:
        with unit_of_work(self.engine, Tenancy((GROUP, self.id), GROUP)) as session:
            session.execute(_ORGANISATION, {"id": self.id, "group": GROUP})
        with self.session() as session:
            session.execute(_SYSTEM, {"id": self.system_id, "org": self.id})
            session.execute(_AGENT, {"id": self.agent_id, "org": self.id})
            session.execute(_GRANT, {"agent": self.agent_id, "org": self.id})

    @property
    def agent(self) -> Principal:
        return Principal("agent", self.agent_id, "edge", self.id, (self.id,), AGENT_SCOPES)

    def session(self, acting: bool = True) -> Any:
        return unit_of_work(self.engine, Tenancy((self.id,), self.id if acting else None))

    def header(self, stream: str, body: bytes, rows: int, **more: Any) -> BatchHeader:
        known = {
            "batch_id": new_id(),
            "system": "u8",
            "organisation": "qingyu",
            "stream": stream,
            "sync": "full",
            "observed_at": T0,
            "rows": rows,
            "size": len(body),
            "sha256": sha256(body).hexdigest(),
            "traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-01",
        }
        return BatchHeader.model_validate(known | more)

    def land(self, stream: str, rows: list[dict[str, Any]], **more: Any) -> UUID:
        """Deliver rows as one batch; its id."""
        body = parquet(stream, rows)
        header = self.header(stream, body, len(rows), **more)
        with self.session() as session:
            upload.announce(session, self.agent, header)
        with self.session() as session:
            upload.append(session, self.agent, header.batch_id, Chunk(io.BytesIO(body), len(body), 0, True))
        return header.batch_id

    def apply(self, batch_id: UUID) -> str:
        return apply_batch(self.engine, self.id, batch_id)

    def deliver(self, stream: str, rows: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        """Land and apply; the batch's row."""
        batch_id = self.land(stream, rows, **more)
        self.apply(batch_id)
        return self.batch(batch_id)

    def snapshot(self, rows: list[dict[str, Any]], minutes: float = 0, **more: Any) -> dict[str, Any]:
        return self.deliver("stock_positions", rows, observed_at=T0 + timedelta(minutes=minutes), **more)

    def batch(self, batch_id: UUID) -> dict[str, Any]:
        return self.one("select * from batch where id = :id", id=batch_id)

    def one(self, query: str, **values: Any) -> dict[str, Any]:
        (row,) = self.all(query, **values)
        return row

    def all(self, query: str, **values: Any) -> list[dict[str, Any]]:
        with self.session(acting=False) as session:
            return [dict(row) for row in session.execute(text(query), values).mappings()]

    def quantities(self) -> dict[str, Decimal]:
        """Item → quantity now."""
        rows = self.all(
            "select m.item_id, sum(p.quantity) as quantity from position p join source_material m"
            " on m.organisation_id = p.organisation_id and m.id = p.material_id group by 1 order by 1"
        )
        return {row["item_id"]: row["quantity"].normalize() + 0 for row in rows}
