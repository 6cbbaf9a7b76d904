-- Projections: a pure function of the set of events. Never edited by hand; `ledger verify` rebuilds and compares.

-- One row per session (per opening, and per exit that has none). Times are ms since the epoch, money is VND.
create table history (
    event_id           text collate "C" primary key,
    plate_tag          bytea not null,
    source_central     text collate "C" not null,
    edge_id            text,
    sync_status        text not null,          -- LOCAL or SYNCED: the only column that differs between centrals
    lot_id             text,
    plate              text,
    plate_key          text collate "C",
    vehicle_class      text not null,
    status             text not null,
    entry_time         bigint,
    confirmed_time     bigint,
    exit_time          bigint,
    exit_central       text collate "C",
    exit_edge          text,
    duration_s         bigint,
    fee                bigint,
    currency           text not null,
    rate_table         text,
    rate_table_version bigint,
    flags              text[] not null,
    sorted_at          bigint not null,        -- entry_time, or the exit's where there was no entry
    due_at             bigint,                 -- own passage that a time-out must end: when, ms
    credential         text,                   -- type:id presented at the entry
    row_hash           bytea not null
);
create index history_newest on history (sorted_at desc, event_id desc);
create index history_plate on history (plate_tag);
create index history_open on history (plate_key) where status in ('PENDING', 'INSIDE');
create index history_card on history (credential) where credential is not null and status in ('PENDING', 'INSIDE');
create index history_due on history (due_at) where due_at is not null;

create table conflicts (
    id          bytea primary key,
    plate_tag   bytea not null,
    kind        text not null,
    detected_at bigint not null,
    body        text not null,                 -- the row as JSON
    row_hash    bytea not null
);
create index conflicts_newest on conflicts (detected_at desc, id desc);
create index conflicts_plate on conflicts (plate_tag);

-- The version the tables above were made by; `stale` asks for a rebuild from the events (a policy changed).
create table projection_state (
    only_row boolean primary key default true check (only_row),
    version  integer not null default 0,
    stale    boolean not null default false
);
insert into projection_state default values;
