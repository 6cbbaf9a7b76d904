-- Events by month of their own stamp, so that old months can go as files and the busy indexes stay small.

-- `month` counts calendar months (UTC) from January 2000 = 1; 0 takes stamps that cannot be (more than 36 months before their
-- receipt, or 2 months after it). Partitions are made by the writer when it first needs them.
-- What makes a position unique is the writer's map, which the audit and `ledger verify` compare with the rows: a unique index over
-- all months is not to be had.
alter table events rename to events_before;

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
    month          integer not null default 0  -- the release before does not know months: what it writes is filed under 0
) partition by list (month);
create table events_m0 partition of events for values in (0);

-- Which months hold events of a stream, and between which positions: a position is looked up in those months alone. Counts are
-- of rows, every branch. Month 0 is looked at always.
create table stream_months (
    stream    integer not null,
    month     integer not null,
    first_seq bigint not null,
    last_seq  bigint not null,
    events    bigint not null,
    primary key (stream, month)
);

create function pg_temp.month_of(occurred_at bigint, received_at bigint) returns integer language sql immutable as $$
    with m as (
        select (extract(year from at)::int - 2000) * 12 + extract(month from at)::int as month,
               (extract(year from got)::int - 2000) * 12 + extract(month from got)::int as received
        from (select to_timestamp(least(greatest(occurred_at, -62135596800000), 253402300799000) / 1000.0) at time zone 'UTC' as at,
                     to_timestamp(least(greatest(received_at, -62135596800000), 253402300799000) / 1000.0) at time zone 'UTC' as got) t
    )
    select case when month > 0 and month between received - 36 and received + 2 then month else 0 end from m
$$;

do $$
declare
    m integer;
begin
    for m in select distinct pg_temp.month_of(occurred_at, received_at) from events_before
             where pg_temp.month_of(occurred_at, received_at) <> 0 loop
        execute format('create table events_m%s partition of events for values in (%s)', m, m);
    end loop;
end $$;

insert into events (month, stream, seq, branch, hash, kind, occurred_at, plate_tag, opening_stream, opening_seq, command_id,
                    arrival, received_at, frame, poison)
    select pg_temp.month_of(occurred_at, received_at), stream, seq, branch, hash, kind, occurred_at, plate_tag, opening_stream,
           opening_seq, command_id, arrival, received_at, frame, poison
    from events_before order by arrival;

insert into stream_months (stream, month, first_seq, last_seq, events)
    select stream, month, min(seq), max(seq), count(*) from events group by stream, month;

drop table events_before;

-- The month comes last: a range of positions is read in order from each month's index.
create unique index events_position on events (stream, seq, branch, month);
create index events_arrival on events (arrival);
create index events_plate on events (plate_tag) where plate_tag is not null;
create index events_opening on events (opening_stream, opening_seq) where opening_seq is not null;
create index events_command on events (command_id) where command_id is not null;
-- About no vehicle: POLICY_SET, CLOCK_OFFSET, LOST_RANGE. Few, read often.
create index events_rules on events (arrival) where kind in (20, 21, 22);
analyze events;
