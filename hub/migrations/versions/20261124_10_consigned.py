"""Goods of others in transit are no part of what is on hand: sums per material made anew where they counted them. The
holdings follow by their trigger."""

from __future__ import annotations

from alembic import op

revision = "20261124_10"
down_revision = "20261123_09"

SUMS = """
do $$
declare org uuid;
begin
    foreach org in array all_organisations() loop
        perform set_config('hub.orgs', format('{%s}', org), true), set_config('hub.org', org::text, true);
        update material_stock t set consigned = s.consigned
        from (select material_id, coverage_id, unit,
                     coalesce(sum(quantity) filter (where status <> 'in_transit'), 0) as consigned
              from position where organisation_id = org and owner <> ''
              group by material_id, coverage_id, unit) s
        where t.organisation_id = org and t.material_id = s.material_id and t.coverage_id = s.coverage_id
          and t.unit = s.unit and t.consigned <> s.consigned;
    end loop;
    perform set_config('hub.orgs', '', true), set_config('hub.org', '', true);
end
$$"""


def upgrade() -> None:
    op.execute(SUMS)


def downgrade() -> None:
    """Nothing: the sums are right for either schema."""
