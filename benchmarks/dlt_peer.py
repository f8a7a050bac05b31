"""The peer of the snapshot bench, in an environment that has dlt: the rows of a query merged into PostgreSQL twice; the
second load, of a table that is already there, is the one that counts."""

from __future__ import annotations

import json
import os
import sys
import time
from importlib.metadata import version


def main(query: str, source: str, target: str, folder: str) -> None:
    os.environ |= {"DLT_DATA_DIR": folder, "RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "CRITICAL"}
    import dlt
    import psycopg

    @dlt.resource(name="stock", write_disposition="merge", primary_key=("item", "place"))
    def stock():  # type: ignore[no-untyped-def]
        with psycopg.connect(source) as connection, connection.cursor(name="rows") as cursor:
            cursor.itersize = 50_000
            cursor.execute(query)
            names = [column.name for column in cursor.description or ()]
            while rows := cursor.fetchmany(50_000):
                yield [dict(zip(names, row, strict=True)) for row in rows]

    pipeline = dlt.pipeline("peer", destination=dlt.destinations.postgres(_with_host(target)), dataset_name="peer")
    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        pipeline.run(stock())
        seconds.append(round(time.perf_counter() - began, 2))
    print(json.dumps({"name": f"dlt {version('dlt')} merge", "first_seconds": seconds[0], "seconds": seconds[1]}))


def _with_host(url: str) -> str:
    """dlt wants a password and a host in their places; the server asks for none, libpq lets the query's host win."""
    return url.replace("@/", ":none@localhost:5432/", 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
