-- First answers to commands, for seven days; older ones and those lost in a restore are rebuilt from the events.
create table idempotency (
    command_id bytea primary key,
    principal  text not null,
    path       text not null,
    edge_id    text,
    plate_tag  bytea,
    status     integer not null,
    body       text not null,
    created_at bigint not null
) with (toast_tuple_target = 8160);            -- an answer is read back once at most: compressing it costs more than it saves
create index idempotency_age on idempotency (created_at);

-- Per peer, for display: nothing is decided by it.
create table p2p_sync_state (
    peer_central_id     text collate "C" primary key,
    last_sync_timestamp bigint not null default 0,      -- occurred_at of the newest event that came through it, ms
    last_sync_time      timestamptz,
    updated_at          timestamptz not null default now(),
    events_stored       bigint not null default 0
);
