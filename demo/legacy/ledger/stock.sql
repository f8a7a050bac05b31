select s.code, s.place, s.lot, s.owner, p.status, i.unit, s.quantity, s.reserved from stock s join item i on i.code = s.code join place p on p.code = s.place
