"""The agent's own configuration: the hub, the state folder, and the systems it reads. Secrets come from the
environment (`${ENV:NAME}` in connection values) and never leave this process."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from connectors.document import Document, parse
from connectors.mapping import Mapping, load

_ENV = re.compile(r"\$\{ENV:([A-Za-z_]\w*)\}")
_SECRET_NAME = re.compile(r"pass|secret|token|key", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(://[^:/@\s]+:)[^@\s]+@")


class SystemConfig(BaseModel):
    """One legacy system: which mapping reads it, for whom, and how to reach it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    system: str = Field(pattern=r"^[\w.-]{1,80}$")
    mapping: str
    organisation: str = Field(min_length=1, max_length=80)
    connection: dict[str, Any] = {}
    parameters: dict[str, Any] = {}


class AgentConfig(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hub: str = Field(pattern=r"^https?://")
    state: Path
    systems: list[SystemConfig] = Field(min_length=1)


@dataclass(frozen=True)
class Configured:
    """A configuration file, read: relative paths in it start at its folder."""

    config: AgentConfig
    folder: Path
    document: Document

    @property
    def state(self) -> Path:
        return self.folder / self.config.state

    def system(self, name: str) -> SystemConfig:
        for system in self.config.systems:
            if system.system == name:
                return system
        known = ", ".join(s.system for s in self.config.systems)
        raise self.document.error(("systems",), f"there is no system '{name}'; this agent has {known}")

    def mapping(self, system: SystemConfig) -> Mapping:
        """The system's mapping with its parameters in it."""
        parameters = {**system.parameters, "system": system.system, "organisation": system.organisation}
        return load(system.mapping, parameters, self.folder)

    def folder_of(self, system: SystemConfig) -> Path:
        path = self.state / "systems" / system.system
        path.mkdir(parents=True, exist_ok=True)
        return path

    def connection(self, system: SystemConfig) -> dict[str, Any]:
        """Connection values with the environment in them. Names a missing variable, never a value."""
        position = self.config.systems.index(system)
        return {k: self._resolve(v, ("systems", position, "connection", k)) for k, v in system.connection.items()}

    def _resolve(self, value: Any, path: tuple[str | int, ...]) -> Any:
        if isinstance(value, dict):
            return {k: self._resolve(v, (*path, k)) for k, v in value.items()}
        if isinstance(value, list):
            return [self._resolve(v, (*path, i)) for i, v in enumerate(value)]
        return _ENV.sub(lambda found: self._variable(found[1], path), value) if isinstance(value, str) else value

    def _variable(self, name: str, path: tuple[str | int, ...]) -> str:
        if name not in os.environ:
            raise self.document.error(path, f"the environment variable {name} is not set")
        return os.environ[name]


def read_config(path: Path) -> Configured:
    """Raises DocumentError with the line, or FileNotFoundError."""
    document = parse(path.name, path.read_text("utf-8"))
    try:
        config = AgentConfig.model_validate(document.values)
    except ValidationError as error:
        raise document.invalid(error) from None
    names = [s.system for s in config.systems]
    for position, name in enumerate(names):
        if name in names[:position]:
            raise document.error(("systems", position, "system"), f"the system '{name}' is named twice")
    return Configured(config, path.resolve().parent, document)


def redacted(text: str, connection: dict[str, Any]) -> str:
    """`text` without any secret of this connection: values from the environment, and what is named like a secret."""
    for secret in _secrets(connection, secret=False):
        text = text.replace(secret, "***")
    return _URL_PASSWORD.sub(r"\1***@", text)


def _secrets(value: Any, *, secret: bool) -> list[str]:
    if isinstance(value, dict):
        return [s for k, v in value.items() for s in _secrets(v, secret=secret or bool(_SECRET_NAME.search(str(k))))]
    if isinstance(value, list):
        return [s for v in value for s in _secrets(v, secret=secret)]
    text = str(value)
    named = [os.environ[n] for n in _ENV.findall(text) if os.environ.get(n)]
    return named + ([text] if secret and len(text) > 3 else [])
