-- Events that say how others are judged: POLICY_SET (20) and CLOCK_OFFSET (21). Few, read whenever something is projected.
create index events_rules on events (arrival) where kind in (20, 21);

-- What the writer knows of this machine's clock, and which of its own stamps were made before it knew (JSON, see
-- replication::clock::Witness). Of this machine alone: a restored or copied one is told apart by its boot.
create table clock_witness (
    only_row boolean primary key default true check (only_row),
    state    text
);
insert into clock_witness default values;
