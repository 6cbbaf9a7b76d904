-- Rows that lack stored events: those of vehicles with events whose arrival number is higher than this. Null when every row has all of
-- them. A long catch-up stores its events first and makes the rows of each vehicle once.
alter table projection_state add column behind bigint;
