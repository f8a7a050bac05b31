"""HTTP of reports: asked for, listed, read by page or as a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Annotated, Any
from uuid import UUID

from fastapi import Query, Response
from fastapi.responses import StreamingResponse

from hub.paging import Page, PagingDep, cut
from hub.web import Router, gathered
from identity.access import CanReadInventory, SessionDep
from identity.audit.service import note
from masterdata.golden.router import PRINTABLE, Key
from masterdata.reports import answers, service
from masterdata.reports.schemas import Report, ReportIn

router = Router(prefix="/v1", tags=["reports"])

CHUNK = 1 << 16
MEDIA = {"parquet": "application/vnd.apache.parquet", "csv": "text/csv; charset=utf-8"}


@dataclass(frozen=True)
class Filters:
    """What narrows a report's rows: `q` finds materials as search does, `number` is a golden material's."""

    q: Annotated[str, Query(max_length=200, pattern=PRINTABLE)] = ""
    number: Annotated[str, Query(max_length=40, pattern=PRINTABLE)] = ""
    organisation: Annotated[list[Key] | None, Query(max_length=200)] = None

    @property
    def narrow(self) -> answers.Narrow:
        return answers.Narrow(self.q.strip(), self.number, organisations=tuple(self.organisation or ()))


@router.post(
    "/reports", status_code=202, responses={200: {"model": Report, "description": "it was asked before and is ready"}}
)
def create_report(session: SessionDep, principal: CanReadInventory, given: ReportIn, response: Response) -> Report:
    """Ask the lake: the golden inventory as of an instant, as known at another, or a mart of the current build. The
    same question is answered once; whoever asks again gets the same report."""
    report = service.ask(session, principal, given)
    response.headers["location"] = f"/v1/reports/{report.id}"
    if report.state == "ready":
        response.status_code = 200
    return report


@router.get("/reports")
def list_reports(session: SessionDep, _: CanReadInventory, paging: PagingDep) -> Page[Report]:
    """Reports that your organisations asked for, newest first."""
    after = paging.key((UUID,))
    found = service.list_reports(session, after[0] if after else None, paging.limit + 1)
    items, following = cut(found, paging.limit, lambda report: (report.id,))
    return Page(items=list(items), next=following)


@router.get("/reports/{report_id}")
def get_report(session: SessionDep, _: CanReadInventory, report_id: UUID) -> Report:
    """A report and the state of its answer."""
    return service.get_report(session, report_id)


@router.get("/reports/{report_id}/rows")
def list_report_rows(
    session: SessionDep,
    _: CanReadInventory,
    report_id: UUID,
    filters: Annotated[Filters, gathered(Filters)],
    page: PagingDep,
) -> Page[dict[str, Any]]:
    """Its rows as far as you may read them, once it is ready (409 before)."""
    path = service.answer_of(session, report_id)
    items, following = answers.list_rows(session, path, filters.narrow, page.after, page.limit)
    return Page(items=items, next=following)


@router.get(
    "/reports/{report_id}/file",
    response_class=StreamingResponse,
    responses={200: {"content": {media: {} for media in MEDIA.values()}}},
)
def get_report_file(
    session: SessionDep, _: CanReadInventory, report_id: UUID, format: answers.Form
) -> StreamingResponse:
    """All its rows that you may read as a file, once it is ready (409 before)."""
    path = service.answer_of(session, report_id)
    concerned = service.organisations_in(session, report_id)
    note(
        session,
        "report_downloaded",
        organisations=concerned,
        object_kind="report",
        object_id=report_id,
        format=format,
    )
    file = answers.file_of(session, path, format)
    headers = {
        "content-disposition": f'attachment; filename="{path.stem}.{format}"',
        "content-length": f"{file.tell()}",
    }
    return StreamingResponse(_chunks(file), media_type=MEDIA[format], headers=headers)


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    with file:
        while chunk := file.read(CHUNK):
            yield chunk
