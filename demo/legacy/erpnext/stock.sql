select b.item_code, b.warehouse, '', '', case when w.warehouse_type = 'Transit' then 'in_transit' when w.is_rejected_warehouse = 1 then 'blocked' when w.name like 'Inspection%' then 'quality' else 'unrestricted' end,
    i.stock_uom, b.actual_qty, b.reserved_qty
from "tabBin" b join "tabWarehouse" w on w.name = b.warehouse join "tabItem" i on i.name = b.item_code where w.is_group = 0
