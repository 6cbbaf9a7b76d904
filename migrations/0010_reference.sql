-- Reference documents (rate tables, staff, passes): whole documents of the external API, each with its version, as they came from it
-- or from a peer. Of rate tables the last versions stay: a stay is priced by what held when it began.
create table reference_documents (
    kind       text collate "C" not null,      -- rate_tables, staff, subscriptions
    version    bigint not null,
    hash       bytea not null,                 -- SHA-256 of the canonical JSON
    body       bytea not null,                 -- that JSON, zstd
    items      integer not null,
    etag       text,                           -- of the external API, where it came from there
    fetched_at bigint not null,                -- ms since the epoch, when a central got it from the external API
    fetched_by text collate "C" not null,      -- that central
    came_from  text collate "C",               -- the peer it came from; null where it came from the external API
    stored_at  bigint not null,                -- ms since the epoch, when stored here
    primary key (kind, version)
);
