"""A currency without a rate: its amount is shown apart, never added and never dropped."""

from __future__ import annotations

from fastapi.testclient import TestClient

from tests.masterdata.plant import Plant, stock


def test_a_currency_without_a_rate_stands_apart(plant: Plant, group: TestClient) -> None:
    plant.snapshot([stock("A", 5, value=100, currency="CNY"), stock("B", 2, value=50, currency="CHF")])
    rows = {r["holders"][0]["on_hand"]: r["value"] for r in group.get("/v1/inventory").json()["items"]}
    assert (rows["5"]["amount"], rows["5"]["apart"]) == ("100", [])
    assert rows["2"]["amount"] == "0"
    assert rows["2"]["apart"] == [{"amount": "50", "currency": "CHF"}]
