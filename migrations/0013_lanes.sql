-- Events about lanes (kinds 40 to 49): few, read when the writer starts and by people who look after lanes.
create index events_lanes on events (occurred_at) where kind between 40 and 49;
