"""The SQL words a mapping may use beside DuckDB's own: unit(), status(), instant(), number()."""

from __future__ import annotations

from collections.abc import Mapping

# Reading fails loudly (a cast that raises): Transform then repeats the page row by row and names the culprits.
_NUMBER = r"""CREATE MACRO number(x, point := '.') AS CASE
  WHEN x IS NULL OR trim(CAST(x AS VARCHAR)) = '' THEN NULL
  WHEN point = '.' AND try_cast(x AS DECIMAL(38,9)) IS NOT NULL THEN try_cast(x AS DECIMAL(38,9))
  ELSE CAST(regexp_replace(regexp_replace(regexp_replace(
    CASE WHEN point = ',' THEN translate(replace(CAST(x AS VARCHAR), '.', ''), ',', '.')
         ELSE translate(CAST(x AS VARCHAR), '０１２３４５６７８９．，－＋', '0123456789.,-+') END,
    '[\s,\x{00A0}\x{3000}\x{202F}'']', '', 'g'), '^\((.*)\)$', '-\1'), '^(.*)-$', '-\1') AS DECIMAL(38,9))
END"""

_INSTANT = r"""CREATE MACRO instant(x) AS CASE
  WHEN x IS NULL OR trim(CAST(x AS VARCHAR)) = '' THEN NULL
  WHEN regexp_matches(CAST(x AS VARCHAR), ':\d{2}[.0-9]*\s*(Z|[+-]\d{2}(:?\d{2})?)$')
    THEN CAST(CAST(x AS VARCHAR) AS TIMESTAMPTZ)
  ELSE timezone({zone}, CAST(CAST(x AS VARCHAR) AS TIMESTAMP))
END"""


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def definitions(zone: str, units: Mapping[str, str], status: Mapping[str, str]) -> list[str]:
    """The CREATE MACRO statements for one mapping."""
    return [
        _NUMBER,
        _INSTANT.replace("{zone}", literal(zone)),
        _translation("unit", units),
        _translation("status", status),
    ]


def _translation(name: str, words: Mapping[str, str]) -> str:
    """A macro that replaces known words (blanks around them ignored) and lets unknown ones pass."""
    cases = " ".join(f"WHEN {literal(k)} THEN {literal(v)}" for k, v in words.items())
    text = "trim(CAST(x AS VARCHAR))"
    return f"CREATE MACRO {name}(x) AS " + (f"CASE {text} {cases} ELSE {text} END" if cases else text)
