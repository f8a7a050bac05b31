"""What codes of the contract are called on a page, Chinese and English: kinds of movement, states, reasons, streams."""

from __future__ import annotations

from typing import Final

Pair = tuple[str, str]

KINDS: Final[dict[str, Pair]] = {
    "receipt": ("收货", "receipt"),
    "issue": ("发料", "issue"),
    "transfer": ("移库", "transfer"),
    "count": ("盘点", "count"),
    "adjustment": ("调整", "adjustment"),
    "return": ("退货", "return"),
}
STATUSES: Final[dict[str, Pair]] = {
    "unrestricted": ("可用", "unrestricted"),
    "quality": ("质检", "quality"),
    "blocked": ("冻结", "blocked"),
    "in_transit": ("在途", "in transit"),
}
STOCKS: Final[dict[str, Pair]] = {
    "on_hand": ("有现有量", "on hand"),
    "available": ("有可用量", "available"),
    "reserved": ("有预留", "reserved"),
    "in_transit": ("有在途", "in transit"),
    "quality": ("在质检", "in quality"),
    "blocked": ("被冻结", "blocked"),
    "negative": ("有负数", "negative"),
    "apart": ("缺换算，单列", "without factor"),
}
LEVELS: Final[dict[str, Pair]] = {
    "full": ("准确数量，到库位", "exact, by place"),
    "banded": ("只给数量档", "a band only"),
    "yes_no": ("只说有无", "yes or no"),
    "hidden": ("不具名", "holder not named"),
    "none": ("不公开", "nothing"),
}
PARTNERS: Final[dict[str, Pair]] = {
    "subsidiary": ("兄弟厂", "sister plants"),
    "supplier": ("供应商", "suppliers"),
    "carrier": ("承运商", "carriers"),
}
STREAMS: Final[dict[str, Pair]] = {
    "materials": ("物料", "materials"),
    "material_units": ("物料单位", "material units"),
    "locations": ("库位", "locations"),
    "partners": ("往来单位", "partners"),
    "stock_positions": ("库存快照", "stock"),
    "stock_movements": ("库存流水", "movements"),
    "purchase_orders": ("采购订单行", "order lines"),
    "demand": ("领用与销售", "demand"),
}
BATCH_STATES: Final[dict[str, Pair]] = {
    "announced": ("已通知", "announced"),
    "landed": ("已落地，待入账", "landed, waits"),
    "applied": ("已入账", "applied"),
    "held": ("待放行", "held"),
    "rejected": ("已退回", "rejected"),
    "failed": ("入账失败", "failed"),
}
REASONS: Final[dict[str, Pair]] = {
    "unreadable": ("代理读不出这一行", "The agent could not read the row"),
    "missing": ("缺少必填的值", "A required value is missing"),
    "invalid_value": ("不是约定的取值", "Not one of the contract's values"),
    "invalid_pattern": ("格式不合约定", "Not of the form the contract requires"),
    "out_of_range": ("超出约定的范围", "Outside the contract's limits"),
    "too_long": ("文字过长", "Longer than a text may be"),
    "invalid_text": ("含有不允许的字符", "Holds a character no text may hold"),
    "in_future": ("来源时间在读取之后", "The source time lies after the read"),
    "unknown_unit": ("单位不在本系统的词典里", "The unit is not in this system's dictionary"),
    "duplicate_key": ("同一键有内容不同的行", "Rows of one key say different things"),
    "key_incomplete": ("同一库存键另有一行读不出", "Another row of the same stock key is unreadable"),
}
# The Chinese of what `masterdata.intake.checks` says of a row; {field} and {value} are put in.
SENTENCES: Final[dict[str, str]] = {
    "unreadable": "代理读不出这一行：{value}",
    "missing": "字段 {field} 为空，而合约要求有值。",
    "invalid_value": "字段 {field} 为“{value}”，不是合约约定的取值。请在映射文件中映射它。",
    "invalid_pattern": "字段 {field} 为“{value}”，格式不合合约要求。",
    "out_of_range": "字段 {field} 为 {value}，超出合约的范围。",
    "too_long": "字段 {field} 的文字过长：{value}",
    "invalid_text": "字段 {field} 含有文字中不允许的字符（NUL 或 U+001F）。",
    "in_future": "字段 {field} 为 {value}，晚于读取时间。请检查映射的时区或源系统的时钟。",
    "unknown_unit": "单位“{value}”不是 UN/ECE Rec 20 代码，也还没有人说明它在这里的含义。请添加该单位。",
    "duplicate_key": "本批中另有一行同键而内容不同，两者都未采用。",
    "key_incomplete": "同一库存键另有一行读不出，该键保持上次的值。",
}
CHECKS: Final[dict[str, Pair]] = {
    "rows_min": ("行数减少", "Fewer rows"),
    "rows_max": ("行数增多", "More rows"),
    "value_min": ("金额下降", "Value falls"),
    "value_max": ("金额上升", "Value rises"),
    "negative_max": ("负库存占比", "Share of negative stock"),
    "overlap_min": ("原有项仍在", "Keys kept"),
    "quarantined_max": ("隔离占比", "Share quarantined"),
    "empty": ("文件为空", "Empty file"),
    "unreadable_key": ("有行读不出键", "A row without a readable key"),
}
MATCHED: Final[dict[str, Pair]] = {
    "number": ("黄金编号", "golden id"),
    "code": ("料号", "code"),
    "gtin": ("GTIN", "GTIN"),
    "mpn": ("件号", "part number"),
    "name": ("名称", "name"),
}
KPIS: Final[dict[str, Pair]] = {
    "value": ("集团库存金额", "Group stock value"),
    "days_of_inventory": ("库存周转天数", "Days of inventory"),
    "duplicate_share": ("重复持有占比", "Duplicate share"),
    "dormant_value": ("呆滞金额", "Dormant value"),
    "stale_share": ("陈旧占比", "Stale share"),
}
ATTRIBUTES: Final[dict[str, Pair]] = {
    "name": ("名称", "Name"),
    "name_zh": ("中文名称", "Chinese name"),
    "name_en": ("英文名称", "English name"),
    "specification": ("规格", "Specification"),
    "class_code": ("分类", "Class"),
    "base_unit": ("库存单位", "Stock unit"),
    "unit": ("单位", "Unit"),
    "gtin": ("GTIN", "GTIN"),
    "brand": ("品牌", "Brand"),
    "mpn": ("件号", "Part number"),
}
# In the order in which a build takes them.
STEPS: Final[dict[str, Pair]] = {
    "pin": ("固定输入", "Pin the inputs"),
    "bronze": ("补齐原始层", "Bring bronze up to date"),
    "bronze_checks": ("检查原始层", "Check bronze"),
    "models": ("计算并测试模型", "Run and test the models"),
    "gold_checks": ("检查结果层", "Check gold"),
    "reconcile": ("与实时视图对账", "Compare with the live view"),
    "lake": ("写入数据湖", "Write the lake's tables"),
    "readers": ("发布给读者", "Publish to readers"),
}
BUILD_STATES: Final[dict[str, Pair]] = {
    "running": ("进行中", "running"),
    "published": ("已发布", "published"),
    "failed": ("未发布", "not published"),
}
BUILD_REASONS: Final[dict[str, Pair]] = {
    "schedule": ("按计划", "by schedule"),
    "command": ("命令行", "by command"),
    "request": ("有人要求", "on request"),
    "demonstration": ("演示", "demonstration"),
    "": ("未说明", "not said"),
}
CHECK_KINDS: Final[dict[str, Pair]] = {
    "bronze": ("原始层规则", "bronze rule"),
    "gold": ("结果层规则", "gold rule"),
    "model": ("模型", "model"),
    "test": ("测试", "test"),
    "unit_test": ("单元测试", "unit test"),
    "difference": ("对账差异", "difference"),
}
FIELDS: Final[dict[str, Pair]] = {
    "quantity": ("数量", "quantity"),
    "on_hand": ("现有", "on hand"),
    "in_transit": ("在途", "in transit"),
    "quality": ("质检", "in quality"),
    "blocked": ("冻结", "blocked"),
    "reserved": ("预留", "reserved"),
    "consigned": ("寄售", "consigned"),
    "is_apart": ("缺换算", "without factor"),
    "value": ("金额", "value"),
    "currency": ("币种", "currency"),
    "golden_id": ("归到哪种物料", "golden material"),
}
LAYERS: Final[dict[str, Pair]] = {
    "source": ("输入", "inputs"),
    "staging": ("整理层", "staging"),
    "intermediate": ("推算层", "silver"),
    "marts": ("结果层", "gold"),
}
REPORTS: Final[dict[str, Pair]] = {
    "golden_inventory": ("某一时点的黄金库存", "Golden inventory at an instant"),
    "gold.golden_inventory": ("黄金库存，逐来源", "Golden inventory, by source"),
    "gold.stock_history": ("库存历史", "Stock history"),
    "gold.stock_movements": ("库存流水", "Movements"),
    "gold.inventory_ageing": ("库龄", "Ageing"),
    "gold.stock_cover": ("可供天数与呆滞", "Cover and dormant stock"),
    "gold.inventory_turnover": ("周转", "Turnover"),
    "gold.duplicate_share": ("重复持有", "Duplicate share"),
    "gold.duplicate_records": ("重复的物料记录", "Duplicate records"),
    "gold.purchase_orders": ("采购订单行", "Purchase order lines"),
    "gold.feed_reliability": ("来源可靠性", "Feed reliability"),
}
REPORT_STATES: Final[dict[str, Pair]] = {
    "waiting": ("排队中", "waiting"),
    "running": ("正在生成", "being made"),
    "ready": ("可下载", "ready"),
    "failed": ("没有生成", "not made"),
}
METRICS: Final[dict[str, Pair]] = {
    "days_of_inventory": ("库存周转天数", "Days of inventory"),
    "turns": ("周转次数", "Turnover"),
    "duplicate_share": ("重复持有占比", "Duplicate share"),
}
AGES: Final[dict[str, Pair]] = {
    "d90": ("90 天内", "under 90 days"),
    "d180": ("90–180 天", "90–180 days"),
    "d365": ("180–365 天", "180–365 days"),
    "more": ("一年以上", "over a year"),
    "unknown": ("不明", "unknown"),
}
TABLES: Final = {
    "kinds": KINDS, "statuses": STATUSES, "stocks": STOCKS, "streams": STREAMS, "batch_states": BATCH_STATES,
    "reasons": REASONS, "checks": CHECKS, "matched": MATCHED, "kpis": KPIS, "attributes": ATTRIBUTES,
    "steps": STEPS, "build_states": BUILD_STATES, "build_reasons": BUILD_REASONS, "check_kinds": CHECK_KINDS,
    "fields": FIELDS, "reports": REPORTS, "report_states": REPORT_STATES, "layers": LAYERS, "metrics": METRICS,
    "ages": AGES, "levels": LEVELS, "partners": PARTNERS,
}  # fmt: skip


def sentence(reason: str, field: str | None, value: str | None, detail: str) -> Pair:
    """What is wrong with a quarantined row; `detail` is the English as it is kept."""
    said = SENTENCES.get(reason)
    return said.replace("{field}", field or "").replace("{value}", value or "") if said else detail, detail


def word(table: str, key: str) -> Pair:
    """The pair for a code; a code that has no words yet stands for itself."""
    return TABLES[table].get(key, (key, key))
