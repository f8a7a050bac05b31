"""HTTP of deliveries: announce, upload in chunks, ask how far it came. See docs/contract.md."""

from __future__ import annotations

from collections.abc import AsyncIterator
from tempfile import SpooledTemporaryFile
from typing import Annotated, Any, BinaryIO, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import JSONResponse

from connectors.contract import BatchHeader
from hub.errors import TooLarge, Unprocessable
from identity.access import CanWriteBatches, SessionDep
from masterdata.intake import landing, upload
from masterdata.intake.schemas import UploadState
from masterdata.intake.upload import Chunk

router = APIRouter(tags=["intake"])

CHUNK_MAX = 16 * 1024 * 1024

UploadOffset = Annotated[int, Header(alias="Upload-Offset", ge=0, le=2**53)]
UploadComplete = Annotated[str, Header(alias="Upload-Complete", pattern=r"^\?[01]$")]


async def received_chunk(
    request: Request, _: CanWriteBatches, offset: UploadOffset, complete: UploadComplete = "?0"
) -> AsyncIterator[Chunk]:
    """The request's body, in memory while small, else in a temporary file; read only once the caller is known."""
    with SpooledTemporaryFile(max_size=landing.SMALL) as spooled, landing.disk():
        size = 0
        async for block in request.stream():
            size += len(block)
            if size > CHUNK_MAX:
                raise TooLarge(f"A chunk may have {CHUNK_MAX} bytes. Send smaller ones.")
            spooled.write(block)
        spooled.seek(0)
        yield Chunk(cast(BinaryIO, spooled), size, offset, complete == "?1")


@router.put("/batches/{batch_id}")
def announce_batch(batch_id: UUID, header: BatchHeader, session: SessionDep, agent: CanWriteBatches) -> UploadState:
    """Announce a batch; the same header again answers how far it has come."""
    if header.batch_id != batch_id:
        raise Unprocessable(f"The address names batch {batch_id}, the header {header.batch_id}.")
    return upload.announce(session, agent, header)


@router.head("/batches/{batch_id}/body", status_code=204)
def get_upload_offset(batch_id: UUID, session: SessionDep, agent: CanWriteBatches) -> Response:
    """How far the body has come, in Upload-Offset."""
    return _offset(204, upload.offset(session, agent, batch_id))


BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/partial-upload": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.patch("/batches/{batch_id}/body", status_code=204, openapi_extra=BODY, responses={202: {"model": UploadState}})
def append_body(
    batch_id: UUID, session: SessionDep, agent: CanWriteBatches, chunk: Annotated[Chunk, Depends(received_chunk)]
) -> Response:
    """Add a chunk; 202 with the last one: the batch has landed."""
    state = upload.append(session, agent, batch_id, chunk)
    if state.state == "announced":
        return _offset(204, state)
    return JSONResponse({"state": "landed"}, 202, {"Upload-Offset": str(state.upload_offset)})


@router.get("/agents/self/batches")
def list_own_batches(
    session: SessionDep, agent: CanWriteBatches, system: str, after: UUID | None = None
) -> dict[str, Any]:
    """Batches the hub has of a system, so that an agent can send again what a restored hub has lost."""
    ids = upload.known(session, agent, system, after)
    return {"batches": [{"batch_id": str(i)} for i in ids], "next": str(ids[-1]) if len(ids) == upload.PAGE else None}


def _offset(status: int, state: UploadState) -> Response:
    return Response(status_code=status, headers={"Upload-Offset": str(state.upload_offset)})
