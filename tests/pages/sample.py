# ruff: noqa: E501, RUF009, SIM905 - literal rows, one a line, read better than wrapped
"""Answers of the services as literals, so that every template can be rendered without a database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as D
from typing import Any
from uuid import UUID

from starlette.requests import Request

from hub.formats import sla_state, speaker
from hub.pages import FeedLine, Frame
from masterdata.directory import Directory, Org, Orgs, UnitName
from masterdata.disclosure.schemas import BANDS, DEFAULTS, Disclosure, Rule
from masterdata.golden import pages, plots
from masterdata.golden import records as golden
from masterdata.golden import schemas as g
from masterdata.intake import schemas as i
from masterdata.landscape import schemas as s
from tests.pages import lake

NOW = datetime.now(UTC)
BATCH = UUID(int=7)
PLANTS = [
    ("teal", "青屿泵厂", "Teal Isle Pumps", "青", "T", "Yonyou U8", 48, 600, 286.4),
    ("pine", "松涧阀门厂", "Pinebrook Valves", "松", "P", "Kingdee K3", 180, 1800, 214.9),
    ("fog", "雾港船机厂", "Foghaven Marine", "雾", "F", "Odoo 17", 30, 600, 318.2),
    ("white", "白石铸造厂", "Whitestone Foundry", "白", "W", "jshERP", 2820, 5400, 121.7),
    ("hollow", "空溪电机厂", "Hollowbrook Motors", "空", "H", "ERPNext 15", 2520, 1800, 176.5),
    ("blossom", "朵岩机械厂", "Blossom Rock Machinery", "朵", "B", "夜间 CSV", 129600, 93600, 98.3),
    ("deer", "鹿屿轴承厂", "Deer Isle Bearings", "鹿", "D", "Excel 工作簿", 277200, 108000, 68.6),
]
ORGS = Orgs(
    {"group": Org(UUID(int=1), "group", "group", "云崖集团", "Cloudcliff Group", "集", "G")}
    | {p[0]: Org(UUID(int=10 + n), p[0], "subsidiary", p[1], p[2], p[3], p[4]) for n, p in enumerate(PLANTS)}
)
UNITS = {
    "C62": UnitName("C62", "个", "pcs", "个", "piece", 0),
    "KGM": UnitName("KGM", "kg", "kg", "千克", "kilogram", 3),
    "MTR": UnitName("MTR", "m", "m", "米", "metre", 2),
    "XBX": UnitName("XBX", "盒", "box", "盒", "box", 0),
}
NAMES = Directory(ORGS, UNITS)
MATERIALS = [
    ("六角头螺栓 M8×30 A2-70", "Hexagon head bolt M8×30 A2-70", "gtin", 6, "182400", "58368", "C62"),
    ("焊丝 ER50-6 Ø1.2", "Welding wire ER50-6 Ø1.2", "mpn", 7, "12480", "122304", "KGM"),
    ("深沟球轴承 6310-2RS", "Deep groove ball bearing 6310-2RS", "xref", 6, "5908", "342664", "C62"),
    ("铜芯电缆 YJV 3×25+1×16", "Copper cable YJV 3×25+1×16", "own", 1, "4310", "301700", "MTR"),
    ("螺纹密封胶 577 50 mL", "Thread sealant 577 50 mL", "own", 1, "-25", "-950", "C62"),
]


@dataclass(frozen=True)
class Reader:
    """Who looks at the pages."""

    locale: str = "en"
    name: str = "Planner 03"
    email: str = "planner03@cloudcliff.example"
    zone: str = "Asia/Shanghai"
    theme: str = "light"
    density: str = "standard"
    csrf: str = "token"
    id: UUID = UUID(int=3)
    organisation_id: UUID = UUID(int=1)
    session_id: UUID = UUID(int=5)
    scopes: frozenset[str] = frozenset(
        "inventory:read feeds:read quarantine:read quarantine:write batches:release units:write rates:write "
        "people:read people:write systems:write".split()
    )


def age(seconds: int, sla: int, main: float | None = None, held: bool = False) -> g.Age:
    state: Any = "held" if held else sla_state(seconds, sla)
    ratio = seconds / sla
    return g.Age(NOW - timedelta(seconds=seconds), seconds, sla, state, ratio, ratio if main is None else main)


def stock(on_hand: str, unit: str = "C62") -> g.Stock:
    held = D(on_hand)
    return g.Stock(unit, held, held * D("0.8"), held * D("0.2"), D(24000), D(0), D(0), D(0))


def value(amount: str) -> g.Value:
    return g.Value(D(amount), "CNY", [g.Amount(D(1200), "EUR")], 0, date(2026, 11, 20))


def held_by(n: int) -> g.Holding:
    key, zh, en, seal, letter, system, seconds, sla, _ = PLANTS[n]
    return g.Holding(
        key, zh, en, seal, letter, key, system, system, f"0402-{n}", f"0402-{n}", "六角螺栓 M8*30 A2-70", "all",
        stock(str(64000 - 9000 * n)), n == 6, g.Conversion(D("312.66"), "KGM", D(1), D("0.0162")) if n == 3 else None,
        g.Amount(D(20480), "CNY"), D(20480), g.Identity("gtin", D(1)), age(seconds, sla), None, 3, 0, 0,
    )  # fmt: skip


AGES = [age(277200, 108000, 0.6), age(129600, 93600, 0.5, held=True), age(277200, 108000), age(48, 600), age(48, 600)]
ROWS = [
    g.InventoryRow(
        f"GM-{n:07}", zh, en, "fasteners", g.Identity(rule, D(1)), codes, stock(q, u), value(v),
        [g.Apart("XBX", D(2), D(2))] if n == 3 else [],
        [g.HolderCell(p[0], D(1), sla_state(p[6], p[7])) for p in PLANTS[: codes or 1]], AGES[n], False,  # type: ignore[arg-type]
    )
    for n, (zh, en, rule, codes, q, v, u) in enumerate(MATERIALS)
]  # fmt: skip
DEER = ("deer", "鹿屿轴承厂", "Deer Isle Bearings", "鹿", "D")
SISTERS = [
    g.SisterStock(*DEER, "full", "Main", D(12), None, None, True, "C62", False, AGES[2]),
    g.SisterStock(*DEER, "banded", None, None, D(10), D(100), True, "C62", False, AGES[0]),
    g.SisterStock(*DEER, "banded", None, None, D(1000000), None, True, "KGM", True, AGES[0]),
    g.SisterStock(*DEER, "yes_no", None, None, None, None, False, "C62", False, AGES[0]),
    g.SisterStock(None, None, None, None, None, "hidden", None, None, D(0), D(1), True, "C62", False, AGES[4]),
]
DISCLOSURE = Disclosure(
    "teal", [Rule("supplier", "", "yes_no", NOW)], [Rule("subsidiary", "01", None, NOW)], DEFAULTS, list(BANDS)
)
HOLDERS = g.Holders(
    "GM-0048213", *MATERIALS[0][:2], "C62", g.LIVE, stock("182400"), value("58368"), [g.Apart("XBX", D(2), D(2))],
    AGES[0], [held_by(n) for n in range(7)],
    SISTERS, g.Elsewhere(D(12), 4),
)  # fmt: skip
SOURCES = [
    golden.SourceRecord(
        n, p[0], p[1], p[2], p[3], p[4], p[0], p[5], p[5], f"0402-{n}", f"0402-{n}", "六角螺栓 M8*30 A2-70", None, None,
        "GB/T 5783", "fasteners", "C62", "2000040208334" if n < 2 else None, None, None, True, False,
        g.Amount(D("0.32"), "CNY"), NOW, BATCH, n, g.Identity("gtin" if n else "own", D(1)), n, {}, NOW, [],
    )
    for n, p in enumerate(PLANTS[:6])
]  # fmt: skip
MATERIAL = golden.Material(
    "GM-0048213", *MATERIALS[0][:2], "fasteners", "C62", "2000040208334", g.Identity("gtin", D(1)), NOW, None,
    [
        golden.Attribute("gtin", "2000040208334", "most", [(0, "2000040208334"), (1, "2000040208334"), (2, None)], 2),
        golden.Attribute("specification", "GB/T 5783", "longest", [(n, "GB/T 5783") for n in range(6)], 6),
        golden.Attribute("base_unit", "C62", "most", [(0, "C62"), (3, "KGM")], 1),
    ],
    SOURCES, [golden.Conflict("keys_disagree", "2000040208334", "teal", "teal", "0402", "GM-0000002", {})], HOLDERS,
)  # fmt: skip
MOVEMENTS = [
    golden.Movement(
        n, "GM-0048213", *MATERIALS[n % 5][:2], PLANTS[n % 7][0], PLANTS[n % 7][0], "0402", "0402", "A-01", "原料库", "",
        kind, D(-600 + 400 * n), "C62", NOW - timedelta(minutes=n), NOW, f"OUT-2026{n:04}", "1", None, n == 3, BATCH, n,
    )
    for n, kind in enumerate(["receipt", "issue", "transfer", "count", "return", "adjustment", "issue", "receipt"])
]  # fmt: skip
POSITION = golden.Position(
    1, "GM-0048213", "white", ORGS["white"].id, "white", "0402", "0402", "A-01", "原料库", "L-1", "", "unrestricted", D("312.66"), "KGM",
    D(19300), "C62", D(0), g.Amount(D(6176), "CNY"), date(2027, 3, 1), False, age(2820, 5400), BATCH, 3, "4f0c91be",
)  # fmt: skip
TRAIL = golden.Trail(
    POSITION, g.Conversion(D("312.66"), "KGM", D(1), D("0.0162")), "stock_positions", "full", [3, 9], "agent-w-01",
    UUID(int=2), NOW, NOW, NOW, "agent", "00-4f0c91be-01-01",
)  # fmt: skip
HULL = [(0.1, 1.0), (0.3, 0.6), (0.52, 0.35), (0.9, 0.3), (1.4, 0.27), (2.6, 0.06)]
SPARK = [D(x) for x in ("1310", "1322", "1301", "1427", "1388", "1370", "1352", "1340", "1320", "1300", "1290", "1284")]


def kpi(key: Any, figure: str, unit: str, before: str) -> golden.Kpi:
    return golden.Kpi(
        key, D(figure), unit, D(before), SPARK, {}, "按现行单价与汇率折算", "at today's costs and rates", HULL
    )


def overview() -> golden.Overview:
    months = [date(2025 + (m // 12), m % 12 + 1, 28) for m in range(11, 23)]
    orgs = [
        golden.OrganisationValue(
            key, zh, en, seal, letter, g.Value(D(str(worth * 1e6)), "CNY"), 100, 200, age(seconds, sla),
            [(day, D(str(worth * 1e6 * (1.12 - 0.01 * n)))) for n, day in enumerate(months)],
        )
        for key, zh, en, seal, letter, _, seconds, sla, worth in PLANTS
    ]  # fmt: skip
    return golden.Overview(
        "CNY", NOW, orgs,
        [
            kpi("value", "1284600000", "CNY", "1312000000"),
            kpi("days_of_inventory", "118", "days", "124"),
            kpi("duplicate_share", "0.078", "share", "0.082"),
            kpi("dormant_value", "163100000", "CNY", "161600000"),
            kpi("stale_share", "0.053", "share", "0"),
        ],
        [golden.Duplicate(r.number, r.name_zh, r.name_en, r.stock.unit, r.stock.on_hand, ["teal", "pine", "fog"], D(342664), D(254200), r.age) for r in ROWS],
        [golden.Dormant(r.number, r.name_zh, r.name_en, r.stock.unit, r.stock.on_hand, "deer", D(87000), NOW - timedelta(days=400), r.age) for r in ROWS],
        MOVEMENTS, 11482, {"fresh": D("941"), "late": D("275"), "stale": D("68")},
        [golden.RateAge("USD", D("7.113"), date(2026, 11, 20), 9, True)],
    )  # fmt: skip


SYSTEMS = [
    s.System(
        UUID(int=50 + n), key, "sql", system, system, "Asia/Shanghai", ORGS[key].id, key, (key,),
        sla_state(seconds, sla), 217 if n == 5 else 0, 6000,  # type: ignore[arg-type]
        tuple(
            s.Feed(
                ORGS[key].id, key, UUID(int=50 + n), key, stream, "all", "u8.yaml", sla,
                NOW - timedelta(seconds=seconds), seconds, "held" if n == 5 else sla_state(seconds, sla),  # type: ignore[arg-type]
                NOW - timedelta(seconds=seconds), BATCH, 1.2, 1.9, 0, 0, 61204, 2, BATCH if n == 5 else None, None,
                "refused since 13:50" if n == 4 else None,
            )
            for stream in ("stock_positions", "stock_movements", "materials")
        ),
        (s.Agent(UUID(int=2), f"agent-{letter.lower()}-01", NOW, 4, False),),
    )
    for n, (key, _, _, _, letter, system, seconds, sla, _) in enumerate(PLANTS)
]  # fmt: skip
PLACES = [
    s.Place(ORGS["teal"].id, "teal", n, f"A-0{n}", f"A-0{n}", name, None, "warehouse", True, sla, NOW, 90000, state)  # type: ignore[arg-type]
    for n, (name, sla, state) in enumerate([("原料库", 86400, "late"), ("备件库", None, "unknown")])
]
HELD = i.BatchDetail(
    i.Batch(
        BATCH, ORGS["blossom"].id, "blossom", "blossom", "stock_positions", "all", "full", "balance", NOW, "source", "held",
        None, NOW, NOW, None, 900_000, 9242, 0, 0, 0, 217, 9025, "files.yaml", "00-4f0c91be-01-01", None,
    ),
    {"rows_ratio": 0.38, "value_ratio": 0.77, "overlap": 0.62, "negative_rise": 0.004, "stocked": 14906, "kept": 9242,
     "value_before": 98.3e6, "value": 76e6, "negative": 40, "negative_before": 38},
    (i.Finding("rows_min", 0.38, 0.5, "快照只有上次正常快照行数的 38%，下限为 50%。",
               "The snapshot has 38% of the rows of the last good one; the limit is 50%."),),
    i.Consequence(5670, 214, 12, (i.Goods(D(812), "C62"),), (i.Money(D(22300000), "CNY"),), "5,670 个库存项归零",
                  "5,670 positions go to zero"),
    None,
)  # fmt: skip
ROW = i.QuarantinedRow(
    9, ORGS["blossom"].id, "blossom", BATCH, "blossom", "stock_positions", 4118, "unknown_unit", "unit", "PAA",
    "Unit 'PAA' is no UN/ECE Rec 20 code and nobody has said what it means here. Add the unit.",
    {"item_id": "LF-2208", "unit": "PAA", "quantity": "14"}, '{"料号": "LF-2208"}', "open", NOW, "files.yaml", None, None,
)  # fmt: skip
CAUSES = [
    i.Cause(ORGS["blossom"].id, "blossom", "blossom", "stock_positions", "unknown_unit", "unit", "PAA", 168, 9, NOW),
    i.Cause(
        ORGS["blossom"].id, "blossom", "blossom", "stock_positions", "unreadable", "quantity", "1.234,50", 31, 8, NOW
    ),
]
RAW = i.RawRow(BATCH, 3, '{"料号": "LF-2208"}', {"item_id": "LF-2208", "quantity": "312.66", "lot": None}, None)
FRAME = Frame(
    "云崖集团", "Cloudcliff Group", "集", "G", tuple(FeedLine(p[6], p[7], p[0] == "blossom") for p in PLANTS), 2, 217
)


@dataclass(frozen=True)
class Bag:
    """Rows of people, agents and mail, by attribute."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


def templates(locale: str) -> dict[str, dict[str, Any]]:
    """Every page's template with what its router gives it."""
    return stock_templates(speaker(locale, "Asia/Shanghai")) | identity_templates(Reader(locale))


def stock_templates(say: Any) -> dict[str, dict[str, Any]]:
    filters = pages.Filters(q="M8")
    moment = g.Moment(NOW - timedelta(days=20), NOW - timedelta(days=10))
    points = [
        golden.HistoryPoint(NOW - timedelta(days=360 - 8 * n), D(240000 - 1300 * n + 9000 * (n % 5))) for n in range(45)
    ]
    plot = plots.drawn(
        golden.History("GM", "C62", points, []), golden.History("GM", "C62", points[:40], []), moment, say, 0
    )
    return {
        "overview.html": {"overview": (o := overview()), "systems": SYSTEMS, "alarm": lake.ALARM, "chart": plots.value_by_organisation(o, say)},
        "inventory.html": {"filters": filters, "page": g.InventoryPage(ROWS, "next"), "facets": g.Facets([("teal", 3)], [("fasteners", 9)]),
                           "totals": g.InventoryTotals(1204, 3618, value("96402000"), 3, AGES[0], HULL), "months": []},
        "inventory-rows.html": {"filters": filters, "page": g.InventoryPage(ROWS, None)},
        "holders-rows.html": {"held": HOLDERS, "wanted_query": ""},
        "material.html": {"material": MATERIAL, "held": HOLDERS, "past": moment, "wanted": pages.Past("2026-10-31", "2026-11-03"),
                          "wanted_query": "as_of=2026-10-31", "movements": MOVEMENTS, "chart": plot, "ageing": lake.AGEING},
        "positions.html": {"page": golden.PositionPage([POSITION], "n"), "held": HOLDERS, "past": g.LIVE, "wanted": pages.Past()},
        "trail.html": {"trail": TRAIL},
        "movements.html": {"filters": pages.MovementFilters(number="GM-0048213"), "page": golden.MovementPage(MOVEMENTS, "n")},
        "disclosure.html": {"found": DISCLOSURE, "previews": [("subsidiary", SISTERS), ("carrier", [])], "number": "GM-0048213", "error": ""},
        "search.html": {"q": "轴承", "hits": [g.Hit("GM-0000003", *MATERIALS[2][:2], "bearings", "name", "轴承")]},
        "systems.html": {"systems": SYSTEMS},
        "system.html": {"system": SYSTEMS[4], "places": PLACES},
        "held.html": {"held": [HELD], "causes": CAUSES, "failed": [HELD.batch], "known_units": UNITS.values()},
        "batch.html": {"detail": HELD, "batch": HELD.batch, "last": HELD.batch,
                       "checks": [("rows_min", 0.38, 0.5, HELD.findings[0]), ("overlap_min", 0.62, 0.6, None)]},
        "row.html": {"row": RAW, "batch": HELD.batch, "raw": [("料号", "LF-2208"), ("数量", None)]},
        "quarantine.html": {"found": [ROW], "following": 8, "filters": {"system": "blossom"}},
        "quarantined.html": {"row": ROW, "raw": [("料号", "LF-2208")], "said": ("中文", "English")},
        "units.html": {"rates": overview().rates, "known": list(UNITS.values()), "error": "line 2: no rate", "given": "USD,2026-11-20",
                       "own": [Bag(organisation="teal", system="u8", code="ZHI", unit="C62", name_zh="个", name_en="piece", recorded_at=NOW)]},
    } | lake.templates(say)  # fmt: skip


def identity_templates(me: Any) -> dict[str, dict[str, Any]]:
    org = ORGS["teal"]
    member = Bag(
        person_id=me.id, organisation_id=org.id, name="Planner 03", email=me.email, roles=["planner"],
        is_disabled=False, is_suspended=False, has_password=False,
    )  # fmt: skip
    agent = Bag(
        id=me.id, name="agent-t-01", grants=[Bag(system="u8", organisation_ids=[org.id])],
        is_disabled=False, is_enrolled=True, last_seen_at=NOW,
    )  # fmt: skip
    return {
        "signin.html": {"email": "a@b.example", "error": "wrong", "detail": "", "next": "/"},
        "forgot.html": {"sent": True},
        "set-password.html": {"token": "t", "link": Bag(email="a@b.example"), "error": ""},
        "account.html": {"me": me, "error": "", "sessions": [Bag(id=me.session_id, browser="Firefox", address="127.0.0.1", created_at=NOW, last_seen_at=NOW)]},
        "people.html": {"me": me, "organisations": list(ORGS.values()), "chosen": org.id, "members": [member], "roles": ["planner", "admin"], "error": ""},
        "outbox.html": {"me": me, "mails": [Bag(recipient="a@b", subject="s", body="b", error=None, created_at=NOW)]},
        "agents.html": {"me": me, "agents": [agent], "organisations": [org], "keys": {org.id: "teal"}, "error": "", "code": Bag(code="K7-X", expires_at=NOW)},
        "error.html": {"code": 404, "problem": {"detail": "There is no material GM-1.", "trace_id": "4f0c"}},
    } | organisation_templates(me, org)  # fmt: skip


def organisation_templates(me: Any, org: Any) -> dict[str, dict[str, Any]]:
    own = Bag(
        id=org.id, key="teal", kind="subsidiary", place=1, name_zh=org.name_zh, name_en=org.name_en, seal="青", letter="T",
        via_id=me.id, via_zh="甲", via_en="Bolts", is_last=True,
    )  # fmt: skip
    place = Bag(
        id=org.id, key="teal", kind="subsidiary", name_zh=org.name_zh, name_en=org.name_en, seal="青", letter="T",
        zone="Asia/Shanghai", closed_at=NOW,
    )  # fmt: skip
    invitation = Bag(id=me.id, email="a@b.example", roles=["planner"], state="open", expires_at=NOW)
    grant = Bag(
        id=me.id, giver=own, partner=own, roles=["planner", "buyer"], is_live=True, revoked_at=None, expires_at=NOW
    )
    guest = Bag(person_id=me.id, name="Guest", email="g@b.example", roles=["planner"])
    export = Bag(id=me.id, asked_at=NOW, state="ready", error=None, rows={"people": 3})
    joining = Bag(
        name_zh="青屿", name_en="Teal", invited_by="Ann", roles=["planner"], account_id=None, is_proven=True,
        email="a@b.example", name=None,
    )  # fmt: skip
    return {
        "switch.html": {"me": me, "organisations": [own], "total": 20, "q": "", "next": "/"},
        "invitations.html": {"me": me, "organisation": place, "invitations": [invitation], "roles": ["planner", "admin"], "link": "", "error": ""},
        "partners.html": {"me": me, "organisation": place, "given": [grant], "received": [grant], "people": {me.id: [guest]}, "own": [("1", "Ann")], "roles": ["planner"], "error": ""},
        "organisation.html": {"me": me, "organisation": place, "is_above": True, "exports": [export], "error": ""},
        "join.html": {"me": None, "found": joining, "token": "t", "proof": "p", "here": "/invitation", "error": "", "sent": "a@b.example", "name": "", "joined": False},
        "identity.html": {"me": me, "error": "", "sent": True, "merged": True, "can_merge": True},
        "email.html": {"token": "t", "undo": True, "email": "", "error": ""},
    }  # fmt: skip


ADDRESSES = {
    "overview.html": "/",
    "inventory.html": "/inventory",
    "material.html": "/materials/GM-0048213",
    "batch.html": "/held/x",
}


def page(template: str, locale: str, **reader: Any) -> str:
    """The template as a reader of that language sees it."""
    from fastapi import FastAPI

    app = FastAPI()
    app.state.frame = lambda _request, _viewer: FRAME
    scope = {
        "type": "http",
        "method": "GET",
        "path": ADDRESSES.get(template, "/held"),
        "query_string": b"",
        "headers": [],
        "app": app,
    }
    is_door = template in ("signin.html", "forgot.html", "set-password.html")
    if is_door:
        scope["query_string"] = f"lang={locale}".encode()
    viewer = None if is_door else Reader(locale, **reader)
    values = pages._words(speaker(locale, "Asia/Shanghai"), NAMES) | templates(locale)[template]
    return bytes(pages.render(Request(scope), template, viewer=viewer, **values).body).decode()
