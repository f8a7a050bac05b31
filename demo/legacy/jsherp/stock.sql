select s.material_id::text, s.depot_id::text, '', '', case when d.name like '%待检%' then 'quality' when d.name like '%不良%' then 'blocked' else 'unrestricted' end, m.unit, sum(s.current_number), 0
from jsh_material_current_stock s join jsh_depot d on d.id = s.depot_id join jsh_material m on m.id = s.material_id where s.tenant_id = 63 and s.delete_flag = '0' group by 1, 2, 3, 4, 5, 6
