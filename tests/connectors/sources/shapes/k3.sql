-- Kingdee K/3 in small: one bearing in three stores, one bill of each kind.
create table t_MeasureUnit (FMeasureUnitID, FName); insert into t_MeasureUnit values (1, '个'), (2, '箱');
create table t_ICItem (FItemID, FNumber, FName, FModel, FUnitID, FSecUnitID, FSecCoefficient, FBarCode, FChartNumber, FPlanPrice, FDeleted);
insert into t_ICItem values (1001, '01.02.0001', '轴承', '6204', 1, 2, 24, ' ', 'DWG-1', 9.5, 0);
create table t_Stock (FItemID, FNumber, FName, FTypeID);
insert into t_Stock values (201, '01', '成品仓', 500), (202, '02', '待检', 501), (203, '03', '客户代管', 503);
create table t_StockPlace (FSPID, FNumber, FName); insert into t_StockPlace values (0, '*', '*'), (7, 'A-1', '货位A-1');
create table t_Supplier (FItemID, FNumber, FName, FTaxNum, FDeleted); insert into t_Supplier values (5001, 'S1', '瑞丰', null, 0);
create table ICInventory (FItemID, FBatchNo, FMTONo, FAuxPropID, FStockID, FStockPlaceID, FKFDate, FKFPeriod, FQty);
insert into ICInventory values (1001, '', '', 0, 201, 0, '', 0, 5), (1001, '', '', 1, 201, 0, '', 0, 2), (1001, 'L1', '', 0, 201, 7, '2026-01-01', 30, 4),
  (1001, '', '', 0, 202, 0, '', 0, 3), (1001, '', '', 0, 203, 0, '', 0, 1);
create table t_LockStock (FItemID, FStockID, FBatchNo, FQty); insert into t_LockStock values (1001, 201, 'L1', 1.5);
create table ICStockBill (FInterID, FTranType, FBillNo, FDate, FCheckDate, FStatus, FCancellation, FSupplyID);
insert into ICStockBill values (1, 1, 'WIN1', '2026-11-20', '2026-11-20', 1, 0, 5001), (2, 41, 'CHG1', '2026-11-21', '2026-11-21', 1, 0, 0),
  (3, 24, 'SOUT1', '2026-11-21', '2026-11-21', 1, 0, 0), (4, 1, 'WIN2', '2026-11-21', null, 0, 0, 5001), (5, 21, 'XOUT1', '2026-11-22', '2026-11-22', 1, 1, 0);
create table ICStockBillEntry (FInterID, FEntryID, FItemID, FBatchNo, FQty, FDCStockID, FSCStockID);
insert into ICStockBillEntry values (1, 1, 1001, '', 10, 201, 0), (2, 1, 1001, '', 3, 202, 201), (3, 1, 1001, '', 2, 0, 201), (4, 1, 1001, '', 50, 201, 0),
  (5, 1, 1001, '', 6, 201, 0);
create table POOrder (FInterID, FBillNo, FDate, FSupplyID, FCurrencyID, FStatus, FCancellation, FClosed);
insert into POOrder values (1, 'PO1', '2026-11-01', 5001, 1, 1, 0, 0);
create table POOrderEntry (FInterID, FEntryID, FItemID, FUnitID, FQty, FAuxQty, FStockQty, FAuxStockQty, FPrice, FDate, FMrpClosed);
insert into POOrderEntry values (1, 1, 1001, 2, 48, 2, 24, 1, 9, '2026-12-01', 0);
