select s.fitemid::text, s.fstockid::text, s.fbatchno, '', case t.ftypeid when 501 then 'quality' else 'unrestricted' end, u.fname, sum(s.fqty),
    coalesce(sum((select sum(l.fqty) from t_lockstock l where (l.fitemid, l.fstockid, l.fbatchno) = (s.fitemid, s.fstockid, s.fbatchno))), 0)
from (select fitemid, fstockid, fbatchno, fqty from icinventory union all select fitemid, fstockid, fbatchno, fqty from poinventory) s join t_icitem i using (fitemid) join t_stock t on t.fitemid = s.fstockid join t_measureunit u on u.fmeasureunitid = i.funitid group by 1, 2, 3, 4, 5, 6
