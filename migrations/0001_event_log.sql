-- The event log. Postgres is the only durable truth of a central.

-- One row per (central, incarnation). `head = 0`: named by an event (as the place of its opening), nothing of it held yet.
create table streams (
    id          integer primary key,
    central     text collate "C" not null,
    incarnation uuid not null,
    head        bigint not null default 0,
    head_hash   bytea not null default '\x',
    gaps        jsonb not null default '[]',   -- [[from, to], …], inclusive
    forks       jsonb not null default '[]',   -- [[seq, [hash, …]], …], hashes in hex
    unique (central, incarnation)
);

-- Events byte for byte, with the header fields that are searched for.
create table events (
    stream         integer not null,
    seq            bigint not null,
    branch         smallint not null,          -- 0; higher for the other events of a forked position, in order of arrival
    hash           bytea not null,
    kind           integer not null,
    occurred_at    bigint not null,            -- ms since the epoch, by the origin
    plate_tag      bytea,
    opening_stream integer,
    opening_seq    bigint,
    command_id     bytea,
    arrival        bigint not null,            -- order of storing here
    received_at    bigint not null,            -- ms since the epoch, when stored here
    frame          bytea not null,
    poison         text,                       -- why it is left out of the projection
    primary key (stream, seq, branch)
);
create unique index events_arrival on events (arrival);
create index events_plate on events (plate_tag) where plate_tag is not null;
create index events_opening on events (opening_stream, opening_seq) where opening_seq is not null;
create index events_command on events (command_id) where command_id is not null;
create index events_policy on events (arrival) where kind = 20;  -- POLICY_SET: few, read often

-- What the writer committed last. Every write is conditional on it: a database that was swapped, restored or written by somebody
-- else does not pass.
create table writer_head (
    only_row    boolean primary key default true check (only_row),
    incarnation uuid,
    seq         bigint not null default 0,
    hash        bytea not null default '\x',
    arrival     bigint not null default 0
);
insert into writer_head default values;

-- One row per time the writer lock was taken. Names a stretch of arrival numbers, so that a reader's position from before a restore
-- is recognised.
create table log_epochs (
    epoch         uuid primary key,
    first_arrival bigint not null,
    started_at    bigint not null
);
