-- Yonyou U8 in small: one bearing in two warehouses and two batches, one plate without stock.
create table ComputationUnit (cComunitCode, cComUnitName, cGroupCode, bMainUnit, iChangRate);
insert into ComputationUnit values ('01', '个', 'G1', 1, 1), ('02', '箱', 'G1', 0, 24), ('11', '公斤', 'G2', 1, 1);
create table Inventory (cInvCode, cInvName, cInvStd, cInvAddCode, cInvCCode, cGroupCode, cComUnitCode, cBarCode,
  cInvDefine1, iInvNCost, dEDate, dModifyDate);
insert into Inventory values ('A1', '轴承', '6204', null, '01', 'G1', '01', '6901234567892', 'SKF', 12.5, null, null),
  ('B2', '钢板', 'Q235', null, '02', 'G2', '11', '', null, 4, '2025-01-01', null);
create table Warehouse (cWhCode, cWhName, bFreeze);
insert into Warehouse values ('01', '原料仓', 0), ('02', '待检仓', 0), ('03', '冻结仓', 1);
create table Vendor (cVenCode, cVenName, cVenAbbName, cVenRegCode, dEndDate, dModifyDate);
insert into Vendor values ('V1', '恒通', '恒通', null, null, null);
create table CurrentStock (AutoID, cWhCode, cInvCode, cBatch, cVMIVenCode, iQuantity, fOutQuantity, bStopFlag, dVDate);
insert into CurrentStock values (1, '01', 'A1', null, null, 10, 4, 0, null), (2, '01', 'A1', '', null, -3, 0, 0, null),
  (3, '02', 'A1', 'L1', 'V1', 7, 0, 0, '2027-01-31'), (4, '03', 'B2', null, null, 0, 0, 0, null),
  (5, '01', 'B2', null, null, null, 0, 0, null);
create table PO_Pomain (POID, cPOID, dPODate, cVenCode, cexch_name, cVerifier, cCloser);
insert into PO_Pomain values (1, 'PO1', '2026-11-01', 'V1', '人民币', 'li', null), (2, 'PO2', '2026-11-02', 'V1', '美元', null, null);
create table PO_Podetails (ID, POID, cInvCode, cUnitID, iQuantity, iNum, iReceivedQTY, iReceivedNum, iUnitPrice,
  iInvExchRate, dArriveDate, cbCloser);
insert into PO_Podetails values (11, 1, 'A1', '02', 240, 10, 48, 2, 12, 24, '2026-12-01', null),
  (12, 2, 'B2', null, 5, null, null, null, 4, null, '2026-12-02', null);
