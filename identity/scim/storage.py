"""Where the SCIM server reads and writes: people and groups of one organisation, in the request's transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, NamedTuple

from scim2_models import (
    InvalidValueException,
    NotFoundException,
    PreconditionFailedException,
    Resource,
    ResourceType,
    ResponseParameters,
    ScimFilter,
    SearchRequest,
    UniquenessException,
)
from scim2_models.path import CompareOperator, Comparison
from scim2_server.storage import ScimStorage, SearchPage
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session

from identity.scim import groups, users
from identity.scim.caller import Caller


class Kind(NamedTuple):
    """What each resource type is kept by."""

    get: Callable[..., Any]
    listed: Callable[..., Any]
    count: Callable[..., int]
    create: Callable[..., Any]
    change: Callable[..., None]
    delete: Callable[..., None]
    named: Callable[[str, str], Any]


KINDS: dict[str, Kind] = {
    "User": Kind(users.get_user, users.list_users, users.count_users, users.create_user, users.change_user,
                 users.delete_user, users.named),
    "Group": Kind(groups.get_group, groups.list_groups, groups.count_groups, groups.create_group,
                  groups.change_group, groups.delete_group, groups.named),
}  # fmt: skip


class Storage(ScimStorage):
    """The class that the library asks for."""

    def __init__(self, session: Session, caller: Caller) -> None:
        self._session, self._caller = session, caller

    def get(
        self,
        resource_type: ResourceType,
        resource_id: str,
        *,
        response_parameters: ResponseParameters[Any] | None = None,  # noqa: ARG002 - a resource is always whole
    ) -> Resource[Any]:
        found = _kind(resource_type).get(self._session, self._caller.organisation_id, resource_id)
        return _versioned(found)

    def search(
        self,
        resource_types: list[ResourceType],
        search_request: SearchRequest[Any],
        *,
        position: Any = None,  # noqa: ARG002 - of cursors, which are not offered
    ) -> SearchPage:
        """Without a filter, and with one that names a thing, the database answers alone."""
        kinds, asked = [_kind(one) for one in resource_types], search_request.filter
        start, count = search_request.start_index_0 or 0, search_request.count
        mine = (self._session, self._caller.organisation_id)
        if asked is None and len(kinds) == 1:
            page = kinds[0].listed(*mine, None, count, start)
            return SearchPage(kinds[0].count(*mine), [_versioned(one) for one in page])
        every = [one for kind in kinds for one in kind.listed(*mine, _equals(kind, asked), None, 0)]
        found = [one for one in map(_versioned, every) if asked is None or asked.match(one)]
        return SearchPage(len(found), found[start:] if count is None else found[start : start + count])

    def create(self, resource_type: ResourceType, resource: Resource[Any]) -> Resource[Any]:
        made = _kind(resource_type).create(self._session, self._caller, resource)
        return self.get(resource_type, str(made))

    def update(
        self, resource_type: ResourceType, resource: Resource[Any], *, expected_version: str | None = None
    ) -> Resource[Any]:
        self._expect(resource_type, str(resource.id), expected_version)
        _kind(resource_type).change(self._session, self._caller, resource)
        return self.get(resource_type, str(resource.id))

    def delete(self, resource_type: ResourceType, resource_id: str, *, expected_version: str | None = None) -> None:
        self._expect(resource_type, resource_id, expected_version)
        _kind(resource_type).delete(self._session, self._caller, resource_id)

    def _expect(self, resource_type: ResourceType, resource_id: str, version: str | None) -> None:
        meta = self.get(resource_type, resource_id).meta
        if version is not None and (meta is None or meta.version != version):
            raise PreconditionFailedException

    @contextmanager
    def operation(self) -> Iterator[None]:
        """One that fails leaves nothing, and the next of a bulk request goes on."""
        try:
            with self._session.begin_nested():
                yield
        except IntegrityError:
            raise UniquenessException(detail="Somebody else made this at the same time.") from None
        except DataError:
            raise InvalidValueException(detail="A value is outside what can be stored.") from None


def _kind(resource_type: ResourceType) -> Kind:
    found = KINDS.get(str(resource_type.name))
    if found is None:
        raise NotFoundException(detail=f"There are no {resource_type.name} here.")
    return found


def _equals(kind: Kind, asked: ScimFilter[Any] | None) -> Any:
    """The condition of a filter that compares one attribute, where the database can tell; else None."""
    node = None if asked is None else asked.ast
    if isinstance(node, Comparison) and node.op == CompareOperator.eq and isinstance(node.value, str):
        return kind.named(str(node.attr_path), node.value)
    return None


def _versioned(resource: Resource[Any]) -> Resource[Any]:
    """Its version is the digest of what it says: whoever changes it, and wherever."""
    if resource.meta is not None:
        said = resource.model_dump_json(exclude={"meta"})
        resource.meta.version = f'W/"{sha256(said.encode()).hexdigest()[:20]}"'
    return resource
