"""HTTP: an organisation's sign-in providers and domains, for those who administer its sign-in."""

from __future__ import annotations

from uuid import UUID

from hub.web import Router, SessionDep
from identity.access import CanWriteFederation
from identity.federation import domains, service
from identity.federation.schemas import DomainIn, DomainOut, ProviderIn, ProviderOut, ProviderPatch

router = Router(prefix="/v1", tags=["federation"])


@router.get("/identity-providers")
def list_identity_providers(session: SessionDep, _: CanWriteFederation) -> list[ProviderOut]:
    """The sign-in providers of the organisations you may read."""
    return [service.out(one) for one in service.list_providers(session)]


@router.post("/identity-providers", status_code=201)
def create_identity_provider(given: ProviderIn, session: SessionDep, me: CanWriteFederation) -> ProviderOut:
    """Have people sign in at an OpenID provider of the organisation's own."""
    return service.out(service.create_provider(session, me, given))


@router.get("/identity-providers/{provider_id}")
def get_identity_provider(provider_id: UUID, session: SessionDep, _: CanWriteFederation) -> ProviderOut:
    """One sign-in provider; its secret is never shown."""
    return service.out(service.get_provider(session, provider_id))


@router.patch("/identity-providers/{provider_id}")
def change_identity_provider(
    provider_id: UUID, given: ProviderPatch, session: SessionDep, me: CanWriteFederation
) -> ProviderOut:
    """Change a sign-in provider, enforce, disable or enable it."""
    return service.out(service.change_provider(session, me, provider_id, given))


@router.delete("/identity-providers/{provider_id}", status_code=204)
def delete_identity_provider(provider_id: UUID, session: SessionDep, me: CanWriteFederation) -> None:
    """Remove a sign-in provider and the links to it."""
    service.delete_provider(session, me, provider_id)


@router.get("/domains")
def list_domains(session: SessionDep, _: CanWriteFederation) -> list[DomainOut]:
    """The e-mail domains of the organisations you may read."""
    return [domains.out(one) for one in domains.list_domains(session)]


@router.post("/domains", status_code=201)
def create_domain(given: DomainIn, session: SessionDep, me: CanWriteFederation) -> DomainOut:
    """Claim a domain; it counts once its proof is found."""
    return domains.out(domains.create_domain(session, me, given))


@router.post("/domains/{domain_id}/verification")
def verify_domain(domain_id: UUID, session: SessionDep, me: CanWriteFederation) -> DomainOut:
    """Look for the domain's proof now."""
    return domains.out(domains.verify_domain(session, me, domain_id))


@router.delete("/domains/{domain_id}", status_code=204)
def delete_domain(domain_id: UUID, session: SessionDep, me: CanWriteFederation) -> None:
    """Give a domain up: its people sign in with passwords."""
    domains.delete_domain(session, me, domain_id)
