-- What the audit found that was not as it was written, with the row as it was found. Local to this central; never deleted by it.
create table audit_findings (
    id          bigint generated always as identity primary key,
    found_at    bigint not null,               -- ms since the epoch
    what        text not null,                 -- event_bytes, event_missing, history_row, …
    place       text not null,                 -- position, stream, or position or id of the row; no plates
    detail      text not null,
    stream      text,                          -- of an event: its stream's central/incarnation
    seq         bigint,                        -- of an event
    plate_tag   bytea,                         -- vehicle whose rows depend on it
    evidence    jsonb,                         -- the row as it was found; bytes in hex
    state       text not null default 'open' check (state in ('open', 'repaired')),
    repaired_at bigint,
    repaired_by text
);
create unique index audit_findings_open on audit_findings (what, place) where state = 'open';
create index audit_findings_newest on audit_findings (state, id desc);
