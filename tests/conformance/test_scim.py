"""PyPI scim2-tester against the SCIM server of each organisation."""

from __future__ import annotations

from collections import Counter
from typing import Any

import httpx2
import pytest
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server

pytestmark = pytest.mark.peer("scim2-tester")
# Far fewer would mean that the peer found nothing to check.
FEWEST = 70


def asked(stage: dict[str, Any], organisation: str, token_of: str) -> httpx2.Client:
    token = stage["scim"][token_of]["token"]
    headers = {"authorization": f"Bearer {token}"}
    return httpx2.Client(base_url=stage["scim"][organisation]["base_url"], headers=headers, timeout=30)


@pytest.mark.parametrize("organisation", ["alpha", "beta"])
def test_every_check(stage: dict[str, Any], organisation: str, record_property: Any) -> None:
    with asked(stage, organisation, organisation) as http:
        results = check_server(SyncSCIMClient(http))
    found = Counter(one.status for one in results)
    record_property("also", f"{organisation}: {', '.join(f'{n} {s.name.lower()}' for s, n in found.items())}")
    bad = (Status.ERROR, Status.CRITICAL)
    assert [f"{one.title} ({one.resource_type}): {one.reason}" for one in results if one.status in bad] == []
    assert found[Status.SUCCESS] >= FEWEST


def test_token_of_another_organisation(stage: dict[str, Any]) -> None:
    with asked(stage, "alpha", "beta") as http:
        answer = http.get("/Users")
    assert (answer.status_code, answer.json()["status"]) == (401, "401")
