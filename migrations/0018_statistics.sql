-- What the planner is told of the big tables, from a smaller sample, and less often. A busy hour had all of it read again and again: 30 000 rows
-- of each table sorted by every column, at each tenth that was added. A sample of 6 000 says the same of ours: every question is answered by
-- an index, and only which one is asked. What no question asks for (bytes, hashes) is not looked at.

-- Of `events` every month has it; a new month is given the same by the writer (`store::months`).
alter table events
    alter column stream set statistics 20, alter column seq set statistics 20, alter column branch set statistics 0,
    alter column hash set statistics 0, alter column kind set statistics 20, alter column occurred_at set statistics 20,
    alter column plate_tag set statistics 20, alter column opening_stream set statistics 20,
    alter column opening_seq set statistics 20, alter column command_id set statistics 20,
    alter column arrival set statistics 20, alter column received_at set statistics 20,
    alter column frame set statistics 0, alter column poison set statistics 20, alter column month set statistics 20;
do $$
declare
    m regclass;
begin
    for m in select inhrelid::regclass from pg_inherits where inhparent = 'events'::regclass loop
        execute format('alter table %s set (autovacuum_analyze_scale_factor = 0.3)', m);
    end loop;
end $$;

-- A car changes its row three times: half of it changed is an eighth more cars.
alter table history set (autovacuum_analyze_scale_factor = 0.5);
do $$
declare
    c name;
begin
    for c in select attname from pg_attribute where attrelid = 'history'::regclass and attnum > 0 and not attisdropped loop
        execute format('alter table history alter column %I set statistics %s', c, case c when 'row_hash' then 0 else 20 end);
    end loop;
end $$;

alter table idempotency set (autovacuum_analyze_scale_factor = 0.3);
alter table idempotency
    alter column command_id set statistics 20, alter column created_at set statistics 20, alter column plate_tag set statistics 0,
    alter column principal set statistics 0, alter column path set statistics 0, alter column edge_id set statistics 0,
    alter column status set statistics 0, alter column body set statistics 0;
