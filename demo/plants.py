"""The demonstration group's fixed facts: plants, their systems and warehouses, people who sign in. No behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["unrestricted", "quality", "blocked", "in_transit"]


@dataclass(frozen=True, slots=True)
class Organisation:
    key: str
    name_zh: str
    name_en: str
    seal: str
    letter: str
    parent: str | None
    kind: Literal["group", "subsidiary", "supplier", "carrier"]
    currency: str
    zone: str = "Asia/Shanghai"


@dataclass(frozen=True, slots=True)
class System:
    """`share_items` and `share_moves` are parts of the whole; `has_lots` and `has_owners` say what the kind can
    tell."""

    key: str
    name_zh: str
    name_en: str
    organisation: str
    mapping: str
    language: Literal["zh", "en"]
    share_items: float
    share_moves: float
    has_lots: bool
    has_owners: bool
    allows_negative: bool
    currency: str
    zone: str = "Asia/Shanghai"


@dataclass(frozen=True, slots=True)
class Place:
    code: str
    name_zh: str
    name_en: str
    status: Status = "unrestricted"


@dataclass(frozen=True, slots=True)
class Person:
    name_zh: str
    name_en: str
    email: str
    password: str
    organisation: str
    roles: tuple[str, ...]
    language: Literal["zh", "en"] = "zh"


@dataclass(frozen=True, slots=True)
class Delegation:
    """`giver` lets people of `partner` act for it in these roles."""

    giver: str
    partner: str
    roles: tuple[str, ...]
    people: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Disclosed:
    """What a plant shows a kind of partner of materials whose class begins with the prefix."""

    organisation: str
    partner_kind: Literal["subsidiary", "supplier", "carrier"]
    class_prefix: str
    level: Literal["full", "banded", "yes_no", "hidden", "none"]


GROUP = "cloudcliff"

ORGANISATIONS = (
    Organisation(GROUP, "云崖集团", "Cloudcliff Group", "集", "G", None, "group", "CNY"),
    Organisation("qingyu", "青屿泵厂", "Teal Isle Pumps", "青", "T", GROUP, "subsidiary", "CNY"),
    Organisation("songjian", "松涧阀门厂", "Pinebrook Valves", "松", "P", GROUP, "subsidiary", "CNY"),
    Organisation("wugang", "雾港船机厂", "Foghaven Marine", "雾", "F", GROUP, "subsidiary", "USD"),
    Organisation("baishi", "白石铸造厂", "Whitestone Foundry", "白", "W", GROUP, "subsidiary", "CNY"),
    Organisation("kongxi", "空溪电机厂", "Hollowbrook Motors", "空", "H", GROUP, "subsidiary", "EUR"),
    Organisation("duoyan", "朵岩装备厂", "Blossom Rock Machinery", "朵", "B", GROUP, "subsidiary", "CNY"),
    Organisation("luyu", "鹿屿轴承厂", "Deer Isle Bearings", "鹿", "D", GROUP, "subsidiary", "CNY"),
)

# Beside the group: they have no stock here, only people.
PARTNERS = (
    Organisation("shuangye", "霜叶紧固件", "Amberleaf Fasteners", "霜", "A", GROUP, "supplier", "CNY"),
    Organisation("yuanfan", "远帆物流", "Far Sail Logistics", "帆", "S", GROUP, "carrier", "CNY"),
)

SYSTEMS = (
    System("qingyu-u8", "用友 U8", "Yonyou U8", "qingyu", "yonyou-u8", "zh", 0.19, 0.23, True, True, True, "CNY"),
    System(
        "songjian-k3", "金蝶 K3", "Kingdee K3", "songjian", "kingdee-k3", "zh", 0.16, 0.19, True, False, False, "CNY"
    ),
    System("wugang-odoo", "Odoo 17", "Odoo 17", "wugang", "odoo-17", "en", 0.16, 0.18, True, True, True, "USD"),
    System("wugang-wms", "仓储 WMS 推送", "WMS push", "wugang", "wms-push", "en", 0.08, 0.05, True, True, False, "USD"),
    System("baishi-jsh", "jshERP", "jshERP", "baishi", "jsherp", "zh", 0.12, 0.12, False, False, True, "CNY"),
    System(
        "kongxi-erpnext",
        "ERPNext 15",
        "ERPNext 15",
        "kongxi",
        "erpnext-15",
        "en",
        0.14,
        0.14,
        False,
        False,
        True,
        "EUR",
    ),
    System("duoyan-csv", "夜间 CSV", "Nightly CSV", "duoyan", "csv-stock", "zh", 0.09, 0.06, True, True, False, "CNY"),
    System(
        "luyu-xlsx", "Excel 工作簿", "Excel workbook", "luyu", "xlsx-stock", "zh", 0.06, 0.03, True, False, False, "CNY"
    ),
)

PLACES: dict[str, tuple[Place, ...]] = {
    "qingyu-u8": (
        Place("01", "原材料仓", "Raw materials"),
        Place("02", "标准件仓", "Standard parts"),
        Place("03", "备件仓", "Spare parts"),
        Place("04", "外协仓", "Subcontracting"),
        Place("05", "装配线边仓", "Assembly line side"),
        Place("06", "油化库", "Oils and chemicals"),
        Place("11", "待检仓", "Incoming inspection", "quality"),
        Place("12", "冻结仓", "Frozen", "blocked"),
        Place("13", "调拨在途仓", "Transfers in transit", "in_transit"),
    ),
    "songjian-k3": (
        Place("01.01", "主材库A排", "Main store, row A"),
        Place("01.02", "主材库B排", "Main store, row B"),
        Place("02.01", "标准件库", "Standard parts"),
        Place("03.01", "工具库", "Tool store"),
        Place("04.01", "阀体毛坯库", "Valve castings"),
        Place("05.01", "成套件库", "Kits"),
        Place("09.01", "进货待检仓", "Incoming inspection", "quality"),
    ),
    "wugang-odoo": (
        Place("FH/Stock/A-01", "雾港/A-01", "FH/Stock/A-01"),
        Place("FH/Stock/A-02", "雾港/A-02", "FH/Stock/A-02"),
        Place("FH/Stock/B-01", "雾港/B-01", "FH/Stock/B-01"),
        Place("FH/Stock/B-02", "雾港/B-02", "FH/Stock/B-02"),
        Place("FH/Dock", "雾港/码头", "FH/Dock"),
        Place("SY/Stock", "船坞/库存", "SY/Stock"),
        Place("FH/Quality Control", "雾港/质检", "FH/Quality Control", "quality"),
        Place("FH/Blocked", "雾港/冻结", "FH/Blocked", "blocked"),
        Place("Inter-warehouse transit", "仓间在途", "Inter-warehouse transit", "in_transit"),
    ),
    "wugang-wms": (
        Place("R01", "一号立库", "High rack 1"),
        Place("R02", "二号立库", "High rack 2"),
        Place("P01", "拣选区", "Picking zone"),
        Place("Q01", "质检区", "Inspection zone", "quality"),
        Place("H01", "冻结区", "Hold zone", "blocked"),
    ),
    "baishi-jsh": (
        Place("1", "一号库", "Store 1"),
        Place("2", "二号库", "Store 2"),
        Place("3", "砂铁料场", "Sand and iron yard"),
        Place("4", "五金库", "Hardware store"),
        Place("5", "车间周转库", "Shop floor"),
        Place("6", "待检库", "Inspection", "quality"),
        Place("7", "不良品库", "Rejects", "blocked"),
    ),
    "kongxi-erpnext": (
        Place("Main Store - HBM", "主库", "Main Store - HBM"),
        Place("Winding Shop - HBM", "绕线车间", "Winding Shop - HBM"),
        Place("Rack A/1 - HBM", "货架A/1", "Rack A/1 - HBM"),
        Place("Rack A/2 - HBM", "货架A/2", "Rack A/2 - HBM"),
        Place("备件库 - HBM", "备件库", "备件库 - HBM"),
        Place("Inspection - HBM", "待检", "Inspection - HBM", "quality"),
        Place("Rejected - HBM", "不合格", "Rejected - HBM", "blocked"),
        Place("Goods In Transit - HBM", "在途", "Goods In Transit - HBM", "in_transit"),
    ),
    "duoyan-csv": (
        Place("A1", "A1库", "A1"),
        Place("A2", "A2库", "A2"),
        Place("B1", "B1库", "B1"),
        Place("C1", "C1油库", "C1 oils"),
        Place("ZJ", "质检库", "Inspection", "quality"),
        Place("DJ", "冻结库", "Frozen", "blocked"),
    ),
    "luyu-xlsx": (
        Place("成品库", "成品库", "Finished goods"),
        Place("毛坯库", "毛坯库", "Blanks"),
        Place("辅料库", "辅料库", "Consumables"),
        Place("待检区", "待检区", "Inspection", "quality"),
    ),
}

PEOPLE = (
    Person("林知远", "Lin Zhiyuan", "planner@cloudcliff.example", "cloud-planner-26", GROUP, ("planner",)),
    Person("沈若安", "Shen Ruo'an", "steward@cloudcliff.example", "cloud-steward-26", GROUP, ("steward",)),
    Person("高明", "Gao Ming", "admin@cloudcliff.example", "cloud-admin-26", GROUP, ("admin",)),
    Person("顾青", "Gu Qing", "buyer@qingyu.example", "qingyu-buyer-26", "qingyu", ("buyer",)),
    Person("罗松", "Luo Song", "keeper@songjian.example", "songjian-keeper-26", "songjian", ("keeper",)),
    Person("马克", "Mark Dale", "buyer@wugang.example", "wugang-buyer-26", "wugang", ("buyer",), "en"),
    Person("白露", "Bai Lu", "keeper@baishi.example", "baishi-keeper-26", "baishi", ("keeper",)),
    Person("安娜", "Anna Weiss", "keeper@kongxi.example", "kongxi-keeper-26", "kongxi", ("keeper",), "en"),
    Person("段朵", "Duan Duo", "keeper@duoyan.example", "duoyan-keeper-26", "duoyan", ("keeper",)),
    Person("陆鹿", "Lu Lu", "keeper@luyu.example", "luyu-keeper-26", "luyu", ("keeper",)),
)

PARTNER_PEOPLE = (
    Person("叶霜", "Ye Shuang", "admin@shuangye.example", "shuangye-admin-26", "shuangye", ("admin",)),
    Person("江帆", "Jiang Fan", "admin@yuanfan.example", "yuanfan-admin-26", "yuanfan", ("admin",), "en"),
    Person("舟行", "Zhou Xing", "dispatcher@yuanfan.example", "yuanfan-dispatcher-26", "yuanfan", ("dispatcher",)),
)

# One forwarder's dispatcher works for three plants and a supplier.
_FORWARDER = ("dispatcher@yuanfan.example",)
DELEGATIONS = (
    Delegation("qingyu", "yuanfan", ("planner",), _FORWARDER),
    Delegation("wugang", "yuanfan", ("planner",), _FORWARDER),
    Delegation("kongxi", "yuanfan", ("planner",), _FORWARDER),
    Delegation("shuangye", "yuanfan", ("sales",), _FORWARDER),
)

# Sister plants see bands of this plant's bearings, and all of the rest.
DISCLOSED = (Disclosed("qingyu", "subsidiary", "01", "banded"),)


def system(key: str) -> System:
    return next(s for s in SYSTEMS if s.key == key)
