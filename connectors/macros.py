"""The SQL words a mapping may use beside DuckDB's own: unit(), status(), instant(), number()."""

from __future__ import annotations

from collections.abc import Mapping

# Half-width, without blanks, the sign in front, a point before the decimals.
_PLAIN = r"""CREATE MACRO _plain(x, point) AS regexp_replace(regexp_replace(regexp_replace(
    translate(CAST(x AS VARCHAR), '０１２３４５６７８９．，－＋.,',
      '0123456789' || CASE point WHEN ',' THEN ',.-+,.' ELSE '.,-+.,' END),
    '[\s\x{00A0}\x{3000}\x{202F}'']', '', 'g'), '^\((.*)\)$', '-\1'), '^(.*)-$', '-\1')"""

# Reading fails loudly (a cast that raises): Transform then repeats the page row by row and names the culprits.
_NUMBER = r"""CREATE MACRO number(x, point := '.') AS CASE
  WHEN x IS NULL OR trim(CAST(x AS VARCHAR)) = '' THEN NULL
  WHEN (point = '.' OR typeof(x) <> 'VARCHAR') AND try_cast(x AS DECIMAL(38,9)) IS NOT NULL
    THEN try_cast(x AS DECIMAL(38,9))
  WHEN regexp_matches(_plain(x, point), '^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$')
    THEN CAST(replace(_plain(x, point), ',', '') AS DECIMAL(38,9))
  ELSE CAST(_plain(x, point) AS DECIMAL(38,9))
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
        _PLAIN,
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
