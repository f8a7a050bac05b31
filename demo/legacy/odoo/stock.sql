select q.product_id::text, q.location_id::text, coalesce(l.name, ''), coalesce(o.id::text, ''),
    case when p.usage = 'transit' then 'in_transit' when p.complete_name like '%Quality%' then 'quality' when p.complete_name like '%Blocked%' then 'blocked' else 'unrestricted' end,
    u.name, sum(coalesce(q.quantity, 0)), sum(coalesce(q.reserved_quantity, 0))
from stock_quant q join stock_location p on p.id = q.location_id join product_product i on i.id = q.product_id join uom_uom u on u.id = i.uom_id
left join stock_lot l on l.id = q.lot_id left join res_partner o on o.id = q.owner_id where p.usage in ('internal', 'transit') group by 1, 2, 3, 4, 5, 6
