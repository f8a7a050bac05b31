"""Every page of stock and of its data, as one router."""

from __future__ import annotations

from fastapi import APIRouter

from masterdata.disclosure import pages as disclosure
from masterdata.golden import pages as golden
from masterdata.intake import pages as intake
from masterdata.lake import pages as lake
from masterdata.landscape import pages as landscape
from masterdata.materials import pages as materials
from masterdata.reports import pages as reports

router = APIRouter(include_in_schema=False)
for part in (golden, landscape, intake, lake, reports, materials, disclosure):
    router.include_router(part.router)
