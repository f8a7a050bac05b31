"""The lake: rows exactly once per token, growing tables, compaction and expiry, pinned reads, the fence, the move."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from typer.testing import CliRunner

from hub import lake
from hub.errors import Conflict, NotFound, Unavailable, Unprocessable
from hub.lake import catalog, read, upkeep, write
from hub.settings import settings
from tests.hub.lake_rig import ESCAPES, SPEC, A, B, files_on_disk, names_on_disk, rows

NOW = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
def engine(engine: Engine, owner_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An empty lake in a folder whose name needs quoting wherever it could."""
    monkeypatch.setattr(settings(), "home", tmp_path / "数据 home's")
    lake.ensure(engine, SPEC)
    yield engine
    with owner_engine.begin() as owner:
        owner.execute(text("truncate iceberg_tables, iceberg_namespace_properties, lake_token"))


def ids(engine: Engine, readable: Any = lake.EVERYONE, **options: Any) -> list[int]:
    with lake.connect(engine, readable, **options) as db:
        return [row[0] for row in db.execute("select id from bronze.thing order by id").fetchall()]


def data_paths(engine: Engine) -> list[str]:
    tasks = catalog.Catalog(engine).table(SPEC.name).scan().plan_files()
    return [task.file.file_path.removeprefix("file://") for task in tasks]


def ids_of_file(path: str) -> list[int]:
    found: list[int] = pq.read_table(path, partitioning=None)["id"].to_pylist()
    return found


def fill(engine: Engine, appends: int, size: int = 10) -> list[int]:
    for number in range(appends):
        lake.append(engine, {SPEC: rows(range(number * size, (number + 1) * size))}, uuid4())
    return list(range(appends * size))


def test_a_token_appends_once_in_each_table(engine: Engine) -> None:
    token, other = uuid4(), lake.TableSpec("bronze.other", SPEC.schema)
    assert not lake.was_appended(engine, SPEC, token)
    lake.append(engine, {SPEC: rows(range(5))}, token)
    lake.ensure(engine, other)
    lake.append(engine, {SPEC: rows(range(5)), other: rows(range(3))}, token)
    assert ids(engine) == list(range(5))
    assert lake.was_appended(engine, SPEC, token)
    with lake.connect(engine, lake.EVERYONE) as db:
        assert db.execute("select count(*) from bronze.other").fetchone() == (3,)


def test_the_token_is_in_the_snapshot_too_and_outlives_it(engine: Engine) -> None:
    token = uuid4()
    lake.append(engine, {SPEC: rows(range(5))}, token)
    snapshot = catalog.Catalog(engine).table(SPEC.name).current_snapshot()
    assert snapshot and snapshot.summary and snapshot.summary.additional_properties["hub.token"] == str(token)
    lake.append(engine, {SPEC: rows(range(5, 6))}, uuid4())
    assert lake.expire(engine, SPEC, set(), NOW) == 1
    lake.append(engine, {SPEC: rows(range(5))}, token)
    assert ids(engine) == list(range(6))


def test_a_second_commit_under_a_known_token_is_refused_whole(engine: Engine, monkeypatch: Any) -> None:
    token = uuid4()
    lake.append(engine, {SPEC: rows(range(5))}, token)
    monkeypatch.setattr(write, "is_known", lambda *_: False)
    with pytest.raises(Exception, match="pk_lake_token"):
        lake.append(engine, {SPEC: rows(range(5))}, token)
    assert ids(engine) == list(range(5))


def test_a_reader_is_streamed_in_pieces_and_sorted(engine: Engine, monkeypatch: Any) -> None:
    monkeypatch.setattr(write, "PIECE_BYTES", 2_000)
    whole = rows(range(200, 0, -1))
    reader = pa.RecordBatchReader.from_batches(whole.schema, whole.to_batches(max_chunksize=20))
    lake.append(engine, {SPEC: reader}, uuid4())
    assert ids(engine) == list(range(1, 201))
    paths = data_paths(engine)
    assert len(paths) > 4
    assert all(found == sorted(found) for found in map(ids_of_file, paths))


def test_no_rows_are_a_token_and_no_snapshot(engine: Engine) -> None:
    token = uuid4()
    lake.append(engine, {SPEC: rows([])}, token)
    assert lake.was_appended(engine, SPEC, token)
    assert lake.snapshots(engine) == {}
    assert ids(engine) == [] == ids(engine, [A], locked=True)


def test_overwrite_replaces_all_at_once_and_earlier_states_remain(engine: Engine) -> None:
    fill(engine, 2)
    before, token = lake.snapshots(engine), uuid4()
    lake.overwrite(engine, SPEC, rows(range(100, 103)), token)
    lake.append(engine, {SPEC: rows(range(103, 104))}, uuid4())
    lake.overwrite(engine, SPEC, rows(range(7)), token)
    assert ids(engine) == [100, 101, 102, 103]
    assert ids(engine, snapshots=before) == list(range(20))
    lake.overwrite(engine, SPEC, rows([]), uuid4())
    assert ids(engine) == []


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (rows([1]).append_column("extra", pa.array([1])), "no columns extra"),
        (rows([1]).set_column(0, "organisation_id", pa.nulls(1, pa.string())), "would be nobody's"),
        (rows([1]).set_column(1, "id", pa.array(["one"])), "do not fit"),
    ],
)
def test_rows_that_do_not_fit_are_refused(engine: Engine, table: pa.Table, says: str) -> None:
    with pytest.raises(Unprocessable, match=says):
        lake.append(engine, {SPEC: table}, uuid4())
    assert ids(engine) == []


def grown(**changes: Any) -> lake.TableSpec:
    values = {"name": SPEC.name, "schema": SPEC.schema, "partition": SPEC.partition, "sort": SPEC.sort}
    return lake.TableSpec(**(values | changes))


def test_a_table_grows_columns_and_old_rows_have_none(engine: Engine) -> None:
    fill(engine, 1, 3)
    pinned = lake.snapshots(engine)
    spec = grown(schema=SPEC.schema.append(pa.field("lot", pa.string())))
    lake.ensure(engine, spec)
    lake.append(engine, {spec: rows([3]).append_column("lot", pa.array(["x"]))}, uuid4())
    lake.append(engine, {spec: rows([4])}, uuid4())
    for locked in (False, True):
        with lake.connect(engine, lake.EVERYONE, locked=locked) as db:
            found = db.execute("select id, lot from bronze.thing order by id").fetchall()
        assert found == [(0, None), (1, None), (2, None), (3, "x"), (4, None)]
    with lake.connect(engine, lake.EVERYONE, pinned) as db:
        assert db.execute("select count(*), count(lot) from bronze.thing").fetchone() == (3, 0)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"schema": SPEC.schema.remove(3)}, "column quantity is gone"),
        ({"schema": SPEC.schema.set(3, pa.field("quantity", pa.float64()))}, "column quantity is another"),
        ({"schema": SPEC.schema.append(pa.field("must", pa.string(), nullable=False))}, "must be nullable"),
        ({"partition": ()}, "partition is another"),
        ({"sort": ("seen_at",)}, "order is another"),
    ],
)
def test_any_other_change_of_a_table_is_refused(engine: Engine, changes: Any, says: str) -> None:
    with pytest.raises(Conflict, match=says):
        lake.ensure(engine, grown(**changes))


def test_compaction_makes_few_sorted_files_and_reads_small_ones_alone(engine: Engine, monkeypatch: Any) -> None:
    monkeypatch.setattr(upkeep, "SMALL_ROWS", 50)
    lake.append(engine, {SPEC: rows(range(1000, 1200))}, uuid4())
    large = {path for path in names_on_disk(engine, SPEC.name) if path.endswith(".parquet")}
    for number in range(5):
        lake.append(engine, {SPEC: rows(range(number, 60, 5))}, uuid4())
    pinned = lake.snapshots(engine)
    assert lake.compact(engine, SPEC) == 10
    paths = data_paths(engine)
    assert len(paths) == 4
    assert large <= set(paths)
    assert all(found == sorted(found) for found in map(ids_of_file, paths))
    assert ids(engine) == [*range(60), *range(1000, 1200)] == ids(engine, snapshots=pinned)
    assert lake.compact(engine, SPEC) == 0


def test_a_kept_snapshot_reads_its_rows_after_everything(engine: Engine) -> None:
    every = fill(engine, 5)
    pinned = lake.snapshots(engine)
    lake.overwrite(engine, SPEC, rows([99]), uuid4())
    fill(engine, 4, 1)
    lake.compact(engine, SPEC)
    assert lake.expire(engine, SPEC, set(pinned.values()), NOW) > 5
    assert lake.remove_orphans(engine, SPEC) > 5
    assert ids(engine, snapshots=pinned) == every
    assert ids(engine) == [0, 1, 2, 3, 99]
    assert lake.expire(engine, SPEC, set(), NOW) == 1
    lake.remove_orphans(engine, SPEC)
    with pytest.raises(NotFound, match="no snapshot"):
        ids(engine, snapshots=pinned)
    assert files_on_disk(engine, SPEC.name) == set(names_on_disk(engine, SPEC.name))


def test_a_state_that_was_current_a_moment_ago_is_not_expired(engine: Engine) -> None:
    fill(engine, 1)
    time.sleep(0.01)
    limit = datetime.now(UTC)
    time.sleep(0.01)
    fill(engine, 1)
    assert lake.expire(engine, SPEC, set(), limit) == 0
    assert lake.expire(engine, SPEC, set(), NOW) == 1


def test_whoever_lost_the_lock_commits_nothing(engine: Engine) -> None:
    with catalog.writing(engine, SPEC.name) as held:
        table = held.table(SPEC.name)
        files = list(write.data_files(table, [rows(range(5))]))
        holder = held.held()
        with holder.begin():
            pid = holder.execute(text("select pg_backend_pid()")).scalar_one()
        with engine.begin() as other:
            other.execute(text("select pg_terminate_backend(:pid)"), {"pid": pid})
        lake.append(engine, {SPEC: rows(range(3))}, uuid4())
        with pytest.raises(Unavailable, match="was lost"):
            write.replace_files(table, files, [], {})
    assert ids(engine) == [0, 1, 2]


Lines = st.lists(st.tuples(st.sampled_from([str(A), str(B), str(UUID(int=3))]), st.integers(0, 99)), max_size=12)


FIXTURE_STAYS = [HealthCheck.function_scoped_fixture]


@hypothesis(max_examples=6, derandomize=True, phases=[Phase.generate], suppress_health_check=FIXTURE_STAYS)
@given(appends=st.lists(Lines, min_size=1, max_size=3), readable=st.sets(st.sampled_from([A, B])))
def test_the_fence_shows_exactly_what_may_be_read(engine: Engine, appends: Any, readable: set[UUID]) -> None:
    lake.overwrite(engine, SPEC, rows([]), uuid4())
    for lines in appends:
        table = rows([number for _, number in lines])
        owners = pa.array([owner for owner, _ in lines], pa.string())
        lake.append(engine, {SPEC: table.set_column(0, "organisation_id", owners)}, uuid4())
    seen = sorted(number for lines in appends for owner, number in lines if UUID(owner) in readable)
    everything = sorted(number for lines in appends for _, number in lines)
    for locked in (False, True):
        assert ids(engine, sorted(readable), locked=locked) == seen
        assert ids(engine, locked=locked) == everything


def test_the_fence_filters_where_a_file_holds_several_organisations(engine: Engine, monkeypatch: Any) -> None:
    mixed = lake.TableSpec("bronze.mixed", SPEC.schema)
    lake.ensure(engine, mixed)
    lake.append(engine, {mixed: rows(range(10))}, uuid4())
    counts = []
    for way in ({"locked": False}, {"locked": True}, {"locked": True, "streamed": True}):
        if way.pop("streamed", False):
            monkeypatch.setattr(read.Selection, "is_plain", False)
        with lake.connect(engine, [A], tables=[mixed], **way) as db:
            counts.append(db.execute("select count(*), count(distinct organisation_id) from bronze.mixed").fetchone())
    assert counts == [(5, 1)] * 3


def test_files_of_organisations_one_may_not_read_are_not_even_planned(engine: Engine) -> None:
    fill(engine, 3)
    table = catalog.Catalog(engine).table(SPEC.name)
    within = read.Selection(table, [str(A)])
    assert len(within.tasks) == 3
    assert all(f"organisation_id={A}" in task.file.file_path for task in within.tasks)


def test_tables_without_an_organisation_are_read_only_if_shared(engine: Engine) -> None:
    plain = pa.schema([("unit", pa.string())])
    shared = lake.TableSpec("bronze.unit", plain, is_shared=True)
    with pytest.raises(ValueError, match="needs either"):
        lake.TableSpec("bronze.unit", plain)
    lake.ensure(engine, shared)
    lake.append(engine, {shared: pa.table({"unit": ["KGM"]})}, uuid4())
    with lake.connect(engine, []) as db:
        assert db.execute("from bronze.unit").fetchall() == [("KGM",)]
    with catalog.writing(engine, shared.name) as held, held.table(shared.name).transaction() as change:
        change.set_properties({"hub.shared": "false"})
    with lake.connect(engine, [A]) as db, pytest.raises(duckdb.CatalogException):
        db.execute("from bronze.unit")
    with pytest.raises(Unprocessable, match="not shared"), lake.connect(engine, [A], tables=[shared]):
        pass


def test_sql_of_others_reaches_nothing_past_the_fence(engine: Engine) -> None:
    fill(engine, 1)
    hidden = next(path for path in files_on_disk(engine, SPEC.name) if f"organisation_id={B}" in path)
    values = {"file": hidden.replace("'", "''"), "folder": str(settings().home).replace("'", "''")}
    reached, outside = [], rows([1])
    with lake.connect(engine, [A], locked=True) as db:
        for sql in ESCAPES:
            with suppress(duckdb.Error):
                db.execute(sql.format(**values))
                reached.append(sql)
    assert reached == []
    assert outside.num_rows == 1


def test_every_relation_of_a_locked_connection_holds_only_readable_rows(engine: Engine) -> None:
    lake.ensure(engine, lake.TableSpec("silver.thing", SPEC.schema))
    fill(engine, 2)
    lake.append(engine, {lake.TableSpec("silver.thing", SPEC.schema): rows(range(10))}, uuid4())
    with lake.connect(engine, [A], locked=True) as db:
        found = db.execute("select schema_name, view_name from duckdb_views() where not internal").fetchall()
        assert {("bronze", "thing"), ("silver", "thing")} <= set(found)
        for schema, view in found:
            owners = db.execute(f'select distinct organisation_id from {schema}."{view}"').fetchall()
            assert owners == [(str(A),)]
        assert db.cursor().execute("select count(*) from bronze.thing").fetchone() == (10,)


def test_types_come_back_as_they_were(engine: Engine) -> None:
    lake.append(engine, {SPEC: rows([7])}, uuid4())
    for locked in (False, True):
        with lake.connect(engine, lake.EVERYONE, locked=locked) as db:
            found = db.execute("select quantity, seen_at::varchar, typeof(seen_at) from bronze.thing").fetchone()
        assert found == (Decimal("7.000000001"), "2026-01-01 00:00:07+00", "TIMESTAMP WITH TIME ZONE")


def test_a_renamed_column_is_read_by_its_id(engine: Engine) -> None:
    fill(engine, 1, 2)
    with catalog.writing(engine, SPEC.name) as held, held.table(SPEC.name).update_schema() as change:
        change.rename_column("id", "number")
    for locked in (False, True):
        with lake.connect(engine, lake.EVERYONE, locked=locked) as db:
            assert db.execute("select number from bronze.thing order by 1").fetchall() == [(0,), (1,)]


def test_temporary_files_go_with_the_connection(engine: Engine) -> None:
    with lake.connect(engine, lake.EVERYONE) as db:
        limits = db.execute("select current_setting('temp_directory'), current_setting('threads')").fetchone()
        assert limits and limits[0].startswith(str(settings().home / "tmp")) and limits[1] == 2
    assert list((settings().home / "tmp").iterdir()) == []


def test_migrate_moves_every_table_and_its_tokens(engine: Engine, tmp_path: Path) -> None:
    token, other = uuid4(), lake.TableSpec("gold.empty", SPEC.schema)
    every = fill(engine, 2)
    lake.append(engine, {SPEC: rows([50])}, token)
    lake.ensure(engine, other)
    old = files_on_disk(engine, SPEC.name)
    said: list[float] = []
    target = tmp_path / "new place"
    moved = lake.migrate(engine, f"file://{target}", lambda _what, share: said.append(share))
    assert {(one.name, one.rows) for one in moved} == {(SPEC.name, 21), (other.name, 0)}
    assert said[-1] == 1.0
    for path in old:
        Path(path).unlink()
    lake.append(engine, {SPEC: rows([50])}, token)
    lake.append(engine, {SPEC: rows([60]), other: rows([1])}, uuid4())
    assert ids(engine) == [*every, 50, 60]
    assert lake.remove_orphans(engine, SPEC) == 0
    assert all(path.startswith(str(target)) for path in files_on_disk(engine, SPEC.name))


def test_migrate_refuses_a_place_that_holds_something(engine: Engine, tmp_path: Path) -> None:
    fill(engine, 1)
    before = lake.snapshots(engine)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    inside = f"{catalog.warehouse(settings())}/bronze/thing/inside"
    for url, error in ((f"file://{tmp_path}/full", Conflict), (inside, Conflict), ("http://x/y", Unprocessable)):
        with pytest.raises(error):
            lake.migrate(engine, url)
    assert lake.snapshots(engine) == before


def test_the_command_compacts_and_moves(engine: Engine, database: Any, tmp_path: Path, monkeypatch: Any) -> None:
    from pydantic import SecretStr

    from hub.cli import app

    monkeypatch.setattr(settings(), "database_url", SecretStr(database.url))
    every = fill(engine, 5)
    done = CliRunner().invoke(app, ["lake", "compact"])
    assert "bronze.thing: 10 files replaced" in done.output.replace("\n", "")
    done = CliRunner().invoke(app, ["lake", "migrate", f"file://{tmp_path}/there"])
    assert done.exit_code == 0 and "1 tables are at" in done.output
    assert ids(engine) == every
    done = CliRunner().invoke(app, ["lake", "compact", "--table", "bronze.nothing"])
    assert done.exit_code == 1 and "no table bronze.nothing" in done.output


def test_the_api_and_the_command_start_without_pyiceberg() -> None:
    check = "import sys, hub.app, hub.cli; sys.exit('pyiceberg' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
