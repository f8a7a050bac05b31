"""Field types the schemas of this package share. Text that PostgreSQL cannot keep (NUL) is refused here."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

# One local part, one domain with a dot or a bare host; whether it exists, the mail to it shows.
EMAIL = r"^[^\s@\x00<>\",;]{1,64}@[^\s@\x00<>\",;]{1,190}$"


def _zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError(f"{value} is no time zone of the tz database, such as Asia/Shanghai")
    return value


Email = Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, max_length=254, pattern=EMAIL)]
Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120, pattern=r"^[^\x00-\x1f]+$")
]
Key = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[a-z0-9][a-z0-9-]*$")]
Zone = Annotated[str, Field(max_length=64), AfterValidator(_zone)]
# Not trimmed and not judged here: a wrong password is wrong, a new one is held to its length where it is kept.
Password = Annotated[str, Field(min_length=1, max_length=200)]
Token = Annotated[str, Field(min_length=1, max_length=100)]


class In(BaseModel):
    """What comes in: a member nobody knows is a mistake, not noise."""

    model_config = ConfigDict(extra="forbid")


class Out(BaseModel):
    model_config = ConfigDict(from_attributes=True)
