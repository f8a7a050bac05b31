-- ERPNext 15: doctypes as Frappe keeps them (names with blanks, "tab" in front); instants are naive, in the site's zone.
create table "tabCompany" (name varchar primary key, abbr varchar, default_currency varchar, country varchar, modified timestamp);
create table "tabUOM" (name varchar primary key, must_be_whole_number smallint, modified timestamp);
create table "tabItem" (name varchar primary key, item_code varchar, item_name varchar, description varchar, item_group varchar, stock_uom varchar, brand varchar, default_manufacturer_part_no varchar,
    valuation_rate numeric, weight_per_unit numeric, has_batch_no smallint, is_stock_item smallint, has_variants smallint, disabled smallint, docstatus smallint default 0, creation timestamp, modified timestamp);
create table "tabItem Barcode" (name varchar primary key, parent varchar, parenttype varchar, parentfield varchar, idx int, barcode varchar, barcode_type varchar, uom varchar, modified timestamp);
create table "tabUOM Conversion Detail" (name varchar primary key, parent varchar, parenttype varchar, parentfield varchar, idx int, uom varchar, conversion_factor numeric, modified timestamp);
create table "tabWarehouse" (name varchar primary key, warehouse_name varchar, parent_warehouse varchar, is_group smallint, warehouse_type varchar, is_rejected_warehouse smallint, company varchar, disabled smallint, modified timestamp);
create table "tabSupplier" (name varchar primary key, supplier_name varchar, tax_id varchar, country varchar, is_transporter smallint, disabled smallint, modified timestamp);
create table "tabBin" (name varchar primary key, item_code varchar, warehouse varchar, actual_qty numeric, reserved_qty numeric, reserved_stock numeric, ordered_qty numeric, indented_qty numeric, planned_qty numeric,
    projected_qty numeric, stock_uom varchar, valuation_rate numeric, stock_value numeric, modified timestamp);
create unique index on "tabBin" (item_code, warehouse);
create table "tabStock Ledger Entry" (name varchar primary key, item_code varchar, warehouse varchar, posting_date date, posting_time time, voucher_type varchar, voucher_no varchar, voucher_detail_no varchar, batch_no varchar, actual_qty numeric,
    qty_after_transaction numeric, valuation_rate numeric, stock_uom varchar, company varchar, is_cancelled smallint, docstatus smallint, creation timestamp, modified timestamp);
create index on "tabStock Ledger Entry" (modified);
create table "tabPurchase Order" (name varchar primary key, supplier varchar, supplier_name varchar, transaction_date date, schedule_date date, status varchar, docstatus smallint, currency varchar, company varchar, modified timestamp);
create table "tabPurchase Order Item" (name varchar primary key, parent varchar, parenttype varchar, parentfield varchar, idx int, item_code varchar, item_name varchar, qty numeric, uom varchar, conversion_factor numeric, stock_qty numeric,
    stock_uom varchar, received_qty numeric, rate numeric, amount numeric, warehouse varchar, schedule_date date, docstatus smallint, modified timestamp);
create index on "tabPurchase Order Item" (parent);
