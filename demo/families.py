"""The families of industrial materials the group buys, as data: axes, texts in two languages, price and weight ranges.
A material is one point of a family's axes. Brands are invented; so are all part numbers."""

from __future__ import annotations

from dataclasses import dataclass

_BEARING_BRANDS = ("北辰|Beichen|BC", "Tessen|Tessen|TS", "Harwick|Harwick|HK", "隆岳|Longyue|LY")
_ELECTRIC_BRANDS = ("恒矩|Hengju|HJ", "Voltan|Voltan|VT", "Elbrandt|Elbrandt|EB")
_SEAL_BRANDS = ("固岚|Gulan|GL", "Sealmark|Sealmark|SM")
_OIL_BRANDS = ("长泽|Changze|CZ", "Petrane|Petrane|PT")


@dataclass(frozen=True, slots=True)
class Family:
    """`spec`, `zh` and `en` are format strings over the axes; `units` are the units plants keep it in, base first:
    (unit key, base units in one). `shelf_days` > 0 makes it a lot material."""

    key: str
    class_code: str
    zh: tuple[str, ...]
    en: tuple[str, ...]
    spec: str
    standard: str
    axes: dict[str, tuple[str, ...]]
    price: tuple[float, float]
    weight: tuple[float, float]
    units: tuple[tuple[str, str], ...]
    brands: tuple[str, ...] = ()
    shelf_days: int = 0
    affinity: tuple[str, ...] = ()


def _range(prefix: str, *values: int | str) -> tuple[str, ...]:
    return tuple(f"{prefix}{v}" for v in values)


_PIECE = (("piece", "1"),)
_DIAMETERS = _range("", 6, 8, 10, 12, 16, 20, 24)
_DN = _range("DN", 15, 20, 25, 32, 40, 50, 65, 80, 100, 125, 150, 200)

FAMILIES = (
    Family("ball-bearing", "0101", ("深沟球轴承", "滚珠轴承", "轴承"), ("Deep groove ball bearing", "Ball bearing", "BRG BALL"),
           "{series}{bore}{seal}", "GB/T 276", {"series": ("60", "62", "63"), "bore": _range("", "00", "01", "02", "03", "04", "05", "06", "07", "08", "09", 10, 11, 12, 14),
           "seal": ("", "-2RS", "-ZZ", "-2RS C3")}, (4, 480), (0.02, 4.2), (("piece", "1"), ("box", "10")), _BEARING_BRANDS, 0, ("luyu", "kongxi", "qingyu")),
    Family("roller-bearing", "0102", ("圆柱滚子轴承", "滚子轴承"), ("Cylindrical roller bearing", "BRG ROLLER"), "{kind} {size}", "GB/T 283",
           {"kind": ("NU", "NJ", "N"), "size": _range("", 205, 206, 207, 208, 209, 210, 211, 212, 2205, 2206, 2208, 2210, 2212, 308, 310, 312)},
           (38, 1200), (0.14, 9), _PIECE, _BEARING_BRANDS, 0, ("luyu", "kongxi")),
    Family("hex-bolt", "0201", ("六角头螺栓", "六角螺栓", "外六角螺丝"), ("Hexagon head bolt", "Hex bolt", "BOLT,HEX HD"), "M{d}×{l} {grade}", "GB/T 5783",
           {"d": _DIAMETERS, "l": _range("", 16, 20, 25, 30, 40, 50, 60, 80, 100), "grade": ("8.8", "10.9", "A2-70", "A4-80")},
           (0.08, 9.5), (0.004, 0.42), (("piece", "1"), ("kg", "w"), ("box", "200"), ("carton", "500"))),
    Family("socket-screw", "0202", ("内六角圆柱头螺钉", "内六角螺栓", "杯头螺丝"), ("Hexagon socket head cap screw", "Socket screw", "SCREW,SOC HD"), "M{d}×{l} {grade}",
           "GB/T 70.1", {"d": _DIAMETERS[:6], "l": _range("", 12, 16, 20, 25, 30, 40, 50, 60), "grade": ("8.8", "12.9", "A2-70")},
           (0.1, 8), (0.003, 0.25), (("piece", "1"), ("kg", "w"), ("box", "200"), ("carton", "500"))),
    Family("hex-nut", "0203", ("六角螺母", "螺帽"), ("Hexagon nut", "Hex nut", "NUT,HEX"), "M{d} {grade}", "GB/T 6170",
           {"d": ("5", "6", "8", "10", "12", "14", "16", "18", "20", "22", "24", "27", "30"), "grade": ("8", "10", "A2-70", "A4-80")}, (0.04, 4.2), (0.001, 0.25),
           (("piece", "1"), ("kg", "w"), ("box", "200"), ("carton", "500"))),
    Family("washer", "0204", ("平垫圈", "平垫片", "平垫"), ("Plain washer", "Flat washer", "WASHER,FLAT"), "{d} {grade}", "GB/T 97.1",
           {"d": ("5", "6", "8", "10", "12", "14", "16", "18", "20", "22", "24", "27", "30"), "grade": ("200HV", "A2", "A4")}, (0.02, 1.4), (0.0005, 0.06),
           (("piece", "1"), ("kg", "w"), ("box", "200"), ("carton", "500"))),
    Family("o-ring", "0301", ("O形圈", "O型密封圈", "O形橡胶圈"), ("O-ring", "O ring seal", "ORING"), "{m} {d}×{w}", "GB/T 3452.1",
           {"m": ("NBR", "FKM", "EPDM"), "d": _range("", 10, 16, 20, 25, 30, 40, 50, 60, 75, 90, 110, 150), "w": ("1.8", "2.65", "3.55", "5.3")},
           (0.3, 38), (0.001, 0.05), (("piece", "1"), ("box", "100")), (), 1460),
    Family("mech-seal", "0302", ("机械密封", "机封"), ("Mechanical seal", "Mech seal"), "{t}-{d} {f}", "JB/T 1472",
           {"t": ("MG1", "M7N", "109", "208"), "d": _range("", 20, 25, 30, 35, 40, 45, 50, 60, 70, 80), "f": ("SiC/C", "SiC/SiC", "TC/C")},
           (120, 2600), (0.1, 2.5), (("set", "1"),), _SEAL_BRANDS, 0, ("qingyu", "wugang")),
    Family("oil-seal", "0303", ("骨架油封", "油封"), ("Rotary shaft seal", "Oil seal", "SEAL,OIL"), "TC {d}×{o}×{w} {m}", "GB/T 13871.1",
           {"d": _range("", 20, 25, 30, 35, 40, 50, 60), "o": _range("", 42, 52, 62, 72, 80), "w": ("7", "8", "10"), "m": ("NBR", "FKM")}, (2.2, 46), (0.01, 0.1), _PIECE, (), 1460),
    Family("gasket", "0304", ("缠绕垫片", "金属缠绕垫"), ("Spiral wound gasket", "SW gasket"), "{dn} {pn} {m}", "GB/T 4622",
           {"dn": _DN, "pn": ("PN16", "PN25", "PN40", "PN63"), "m": ("304+石墨", "316+石墨", "304+PTFE")}, (6, 120), (0.03, 0.9), _PIECE),
    Family("motor", "0401", ("三相异步电动机", "三相电机", "电动机"), ("Three-phase induction motor", "AC motor", "MOTOR,3PH"), "{s}-{f}-{p} {kw} kW", "GB 18613",
           {"s": ("YE3", "YE4", "YVF2"), "f": ("80M", "90L", "100L", "112M", "132S", "132M", "160M", "160L", "180M"), "p": ("2", "4", "6"),
            "kw": ("0.75", "1.5", "2.2", "4", "5.5", "7.5", "11", "15", "18.5")}, (480, 9200), (16, 190), (("unit", "1"),), _ELECTRIC_BRANDS, 0, ("kongxi", "wugang")),
    Family("valve", "0501", ("闸阀", "法兰闸阀"), ("Gate valve", "VALVE,GATE"), "Z41{m}-{pn} {dn}", "GB/T 12234",
           {"m": ("H", "W", "Y"), "pn": ("16", "25", "40"), "dn": _DN}, (160, 5200), (3, 130), (("unit", "1"),), (), 0, ("songjian", "qingyu")),
    Family("butterfly", "0502", ("对夹蝶阀", "蝶阀"), ("Wafer butterfly valve", "Butterfly valve", "VALVE,BFLY"), "{dn} {pn} {m}", "GB/T 12238",
           {"dn": _DN[4:] + ("DN250", "DN300"), "pn": ("PN10", "PN16"), "m": ("EPDM", "NBR", "PTFE")}, (110, 2900), (2, 60), (("unit", "1"),), (), 0, ("songjian",)),
    Family("ball-valve", "0503", ("法兰球阀", "球阀"), ("Flanged ball valve", "Ball valve", "VALVE,BALL"), "Q41F-{pn}{m} {dn}", "GB/T 12237",
           {"pn": ("16", "25", "40"), "m": ("C", "P", "R"), "dn": _DN}, (90, 4100), (2, 100), (("unit", "1"),), (), 0, ("songjian", "wugang")),
    Family("cable", "0601", ("铜芯电力电缆", "电力电缆", "铜芯电缆"), ("Copper power cable", "Power cable", "CABLE,CU"), "{t} {c}×{s}", "GB/T 12706",
           {"t": ("YJV", "YJV22", "VV", "RVV"), "c": ("2", "3", "4", "5"), "s": _range("", "1.5", "2.5", 4, 6, 10, 16, 25, 35, 50)}, (4, 310), (0.1, 3.4),
           (("metre", "1"), ("roll", "100")), (), 0, ("kongxi", "wugang")),
    Family("round-bar", "0701", ("圆钢", "钢棒", "圆棒"), ("Round bar", "Steel bar", "BAR,ROUND"), "{g} Ø{d}", "GB/T 702",
           {"g": ("45", "40Cr", "20", "42CrMo", "2Cr13", "304", "316L", "2205"), "d": _range("", 16, 20, 25, 28, 32, 40, 50, 60, 80, 100, 120)}, (4.2, 46), (1, 1),
           (("kg", "1"), ("tonne", "1000"))),
    Family("plate", "0702", ("热轧钢板", "钢板", "中厚板"), ("Hot-rolled plate", "Steel plate", "PLATE,HR"), "{g} {t}×1500×6000", "GB/T 3274",
           {"g": ("Q235B", "Q355B", "304", "316L", "CCSA"), "t": _range("", 3, 4, 5, 6, 8, 10, 12, 16, 20, 25, 30)}, (3.9, 32), (1, 1), (("kg", "1"), ("tonne", "1000")), (), 0, ("wugang",)),
    Family("pipe", "0703", ("无缝钢管", "钢管"), ("Seamless pipe", "Steel pipe", "PIPE,SMLS"), "{g} Ø{d}×{t}", "GB/T 8163",
           {"g": ("20", "Q345B", "304", "316L"), "d": _range("", 25, 32, 45, 57, 76, 89, 108, 133, 159), "t": ("3", "4", "5", "6", "8")}, (4.8, 38), (1, 1), (("kg", "1"), ("tonne", "1000"))),
    Family("lubricant", "0801", ("抗磨液压油", "液压油"), ("Anti-wear hydraulic oil", "Hydraulic oil", "OIL,HYD"), "{t} {v}", "GB 11118.1",
           {"t": ("L-HM", "L-HV", "L-CKC", "L-TSA"), "v": ("32", "46", "68", "100", "150", "220", "320")}, (9, 34), (0.88, 0.88), (("litre", "1"), ("drum", "200"), ("can", "20")), _OIL_BRANDS, 600),
    Family("grease", "0802", ("锂基润滑脂", "黄油", "润滑脂"), ("Lithium grease", "Grease"), "{n} {k}", "GB/T 7324",
           {"n": ("0#", "1#", "2#", "3#"), "k": ("通用", "极压", "高温", "二硫化钼")}, (14, 60), (1, 1), (("kg", "1"), ("can", "16")), _OIL_BRANDS, 540),
    Family("contactor", "0901", ("交流接触器", "接触器"), ("AC contactor", "Contactor", "CONTACTOR"), "{s}-{a} {v}", "GB/T 14048.4",
           {"s": ("CJX2", "CJ20", "NC1"), "a": _range("", "09", 12, 18, 25, 32, 40, 50, 65, 80, 95), "v": ("AC220V", "AC380V", "DC24V")}, (28, 620), (0.3, 2), _PIECE, _ELECTRIC_BRANDS, 0, ("kongxi",)),
    Family("breaker", "0902", ("塑壳断路器", "断路器", "空气开关"), ("Moulded case circuit breaker", "MCCB", "BREAKER"), "{s}-{f}/{p}P {a}A", "GB/T 14048.2",
           {"s": ("CM1", "NM1"), "f": ("63", "100", "225", "400"), "p": ("3", "4"), "a": _range("", 16, 32, 40, 63, 100, 160, 200)}, (45, 1300), (0.6, 6), _PIECE, _ELECTRIC_BRANDS, 0, ("kongxi",)),
    Family("sensor", "0903", ("接近开关", "接近传感器"), ("Inductive proximity switch", "Proximity sensor", "SENSOR,PROX"), "{s}-M{d}-{o} {v}", "GB/T 14048.10",
           {"s": ("LJ", "IS", "NB"), "d": ("8", "12", "18", "30"), "o": ("NPN", "PNP"), "v": ("DC24V", "DC12V")}, (32, 260), (0.05, 0.2), _PIECE, _ELECTRIC_BRANDS),
    Family("welding-wire", "1001", ("气保焊丝", "焊丝"), ("Gas-shielded welding wire", "Welding wire", "WIRE,WELD"), "{g} {d}", "GB/T 8110",
           {"g": ("ER50-6", "ER49-1", "ER308L", "ER316L", "ER5356"), "d": ("0.8", "1.0", "1.2", "1.6")}, (6, 58), (1, 1), (("kg", "1"), ("box", "20")), (), 730, ("wugang", "baishi")),
    Family("paint", "1002", ("防锈漆", "底漆"), ("Anti-rust primer", "Primer", "PAINT,PRIMER"), "{t} {c} 20 L", "HG/T 2009",
           {"t": ("环氧", "醇酸", "聚氨酯", "富锌"), "c": ("灰", "铁红", "白", "蓝", "黑")}, (260, 980), (26, 26), (("can", "1"),), _OIL_BRANDS, 365, ("wugang",)),
    Family("coupling", "1101", ("弹性联轴器", "联轴节", "联轴器"), ("Flexible coupling", "Jaw coupling", "COUPLING"), "{t}{n} {a}×{b}", "GB/T 4323",
           {"t": ("LX", "LT", "LM", "ML"), "n": ("1", "2", "3", "4", "5", "6"), "a": ("25", "32", "38", "48"), "b": ("62", "82", "112")}, (48, 1100), (0.8, 22), (("set", "1"),)),
    Family("v-belt", "1102", ("普通V带", "三角带"), ("Classical V-belt", "V-belt", "BELT,V"), "{t}{l}", "GB/T 1171",
           {"t": ("A", "B", "C", "SPA", "SPB", "SPZ"), "l": _range("", 800, 900, 1000, 1120, 1250, 1400, 1600, 1800, 2000, 2240, 2500)}, (6, 88), (0.08, 0.9), _PIECE, _SEAL_BRANDS, 1825),
    Family("casting", "1201", ("泵壳铸件", "壳体毛坯"), ("Pump casing casting", "Casting"), "{m} {n}-{r}", "GB/T 1348",
           {"m": ("HT250", "QT450", "ZG230", "CF8M"), "n": _range("T", *range(101, 161)), "r": ("A", "B", "C")}, (160, 3400), (12, 280), _PIECE, (), 0, ("baishi", "qingyu")),
    Family("filter", "1301", ("液压滤芯", "滤芯"), ("Hydraulic filter element", "Filter element", "FILTER"), "{t}-{n}×{m}", "JB/T 7218",
           {"t": ("TFX", "HX", "FAX", "LH"), "n": _range("", 30, 60, 110, 160, 240, 330, 500, 660), "m": ("5", "10", "20", "30")}, (26, 360), (0.2, 2.4), _PIECE, _SEAL_BRANDS),
    Family("hose", "1302", ("钢丝编织胶管", "高压胶管"), ("Wire braided hose", "Hydraulic hose", "HOSE,HYD"), "{t} {d}-{p} MPa", "GB/T 3683",
           {"t": ("1SN", "2SN", "4SP"), "d": ("6", "8", "10", "13", "16", "19", "25", "32"), "p": ("10", "16", "21", "35")}, (7, 96), (0.2, 2.2), (("metre", "1"), ("roll", "50")), (), 1825),
)

# What plants write instead of a grade or a material, in their own words.
EQUIVALENTS = {
    "A2-70": ("304", "A2", "不锈"), "A4-80": ("316", "A4"), "NBR": ("丁腈", "丁腈橡胶"), "FKM": ("氟胶", "VITON"), "EPDM": ("三元乙丙",),
    "SiC/C": ("碳化硅/石墨",), "Q235B": ("Q235",), "AC220V": ("220V",), "AC380V": ("380V",), "DC24V": ("24VDC", "24V"), "PTFE": ("四氟",), "-2RS": ("-2RS1", "2RS"), "-ZZ": ("-2Z", "ZZ"),
}  # fmt: skip
EQUIVALENT_EN = {"304+石墨": "304+graphite", "316+石墨": "316+graphite", "通用": "GP", "极压": "EP", "高温": "HT", "二硫化钼": "MoS2", "环氧": "epoxy",
    "醇酸": "alkyd", "聚氨酯": "PU", "富锌": "zinc-rich", "灰": "grey", "铁红": "red oxide", "白": "white", "蓝": "blue", "黑": "black"}  # fmt: skip

# What each system calls a unit; a system not named falls back to its language.
UNIT_WORDS: dict[str, dict[str, str]] = {
    "zh": {"piece": "个", "set": "套", "unit": "台", "kg": "千克", "tonne": "吨", "metre": "米", "litre": "升", "box": "盒", "carton": "箱", "roll": "卷", "drum": "桶", "can": "桶"},
    "en": {"piece": "Units", "set": "Set", "unit": "Units", "kg": "kg", "tonne": "t", "metre": "m", "litre": "L", "box": "Box", "carton": "Carton", "roll": "Roll", "drum": "Drum", "can": "Drum"},
    "songjian-k3": {"piece": "PCS", "metre": "m"},
    "baishi-jsh": {"piece": "件", "kg": "kg", "metre": "m"},
    "kongxi-erpnext": {"piece": "Nos", "unit": "Nos", "kg": "Kg", "metre": "Meter", "litre": "Litre", "tonne": "Tonne"},
    "wugang-wms": {"piece": "EA", "set": "SET", "unit": "EA", "kg": "KG", "tonne": "T", "metre": "M", "litre": "L", "box": "BOX", "carton": "CTN", "roll": "ROLL", "drum": "DRM", "can": "DRM"},
    "luyu-xlsx": {"piece": "只", "kg": "公斤"},
    "duoyan-csv": {"piece": "个", "kg": "KG", "metre": "m"},
}  # fmt: skip
# Families of one plant differ in the unit they are kept in: position in Family.units by system (0 = base).
UNIT_CHOICE = {"baishi-jsh": 1, "kongxi-erpnext": 2, "luyu-xlsx": 3, "songjian-k3": 1, "duoyan-csv": 1}
REC20 = {"piece": "C62", "set": "SET", "unit": "C62", "kg": "KGM", "tonne": "TNE", "metre": "MTR", "litre": "LTR", "can": "DR", "box": "BX", "carton": "CT", "roll": "RO", "drum": "DR"}
