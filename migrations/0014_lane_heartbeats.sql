-- What each lane of this central last said of itself. Of this central alone, for display and for the alarm of a silent lane.
create table lane_heartbeats (
    edge_id  text collate "C" primary key,
    heard_at bigint not null,                  -- ms since the epoch, by this central's clock
    state    text not null                     -- the whole of it, as JSON
);
