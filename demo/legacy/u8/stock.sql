select s.cinvcode, s.cwhcode, coalesce(s.cbatch, ''), coalesce(s.cvmivencode, ''),
    case when w.bfreeze then 'blocked' when w.cwhname like '%待检%' then 'quality' when w.cwhname like '%在途%' then 'in_transit' else 'unrestricted' end,
    u.ccomunitname, sum(s.iquantity), sum(s.foutquantity)
from currentstock s join inventory i using (cinvcode) join warehouse w using (cwhcode) join computationunit u on u.ccomunitcode = i.ccomunitcode group by 1, 2, 3, 4, 5, 6
