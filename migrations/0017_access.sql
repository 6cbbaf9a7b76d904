-- Who may get in at this central, and what people did here. Of this central alone, not replicated. Neither truth nor projection.

-- Tokens of people and keys of lanes: SHA-256 of the text, which nobody keeps.
create table access_grants (
    id         text collate "C" primary key,   -- stands in the text itself, no secret
    hash       bytea not null,                 -- SHA-256 of the text
    person     text,                           -- a token's: whose it is
    role       text collate "C",               -- a token's: viewer, attendant, operator, admin
    lanes      text[],                         -- a key's: edges it speaks for
    note       text,
    created_at bigint not null,                -- ms since the epoch
    created_by text not null,
    expires_at bigint,                         -- first moment it is good no more
    revoked_at bigint,
    revoked_by text,
    check ((person is null) = (role is null) and (person is null) = (lanes is not null))
);
create index access_grants_newest on access_grants (created_at desc, id desc);

-- What people did or tried. No secrets and no plates.
create table audit_log (
    at      bigint not null,                   -- ms since the epoch
    id      uuid primary key,
    who     text collate "C" not null,         -- admin, token:<id>, an edge, a service
    name    text,                              -- whose token it was
    role    text collate "C",
    address text,
    action  text collate "C" not null,
    target  text,
    status  integer not null,                  -- of the answer
    result  text collate "C" not null,         -- ok, or the code of the refusal
    detail  text
);
create index audit_log_newest on audit_log (at desc, id desc);
