-- Events of the register: LIST_ENTRY_SET (50), ANTI_PASSBACK_RESET (51), ANTI_PASSBACK_MODE (52), PASS_SET (53), OCCUPANCY_CORRECTED (54).
-- Few, read whole.
create index events_register on events (arrival) where kind in (50, 51, 52, 53, 54);

-- The newest session of a card, open or not: anti-passback. Most sessions have no card.
create index history_credential on history (credential, sorted_at desc) where credential is not null;
