//! What happens in a car park, as pure functions: no clock, no randomness, no I/O.
//!
//! From the bottom up: [`plate`] and [`vehicle`] name things, [`tariff`] prices a stay, [`reference`] is what is looked up (rate tables, staff, passes), [`clock`] stamps a passage, [`fact`]
//! reads an event, [`rights`] knows lists, passes and counts, [`history`] turns a set of facts into sessions and conflicts, [`decision`] turns a command and that
//! state into an event and an answer, [`unasked`] names what nobody asked for, [`unresolved`] what nobody has explained; [`world`] is what a round of decisions works on, [`lanes`] what lanes saw lately, [`lane_book`] what people told them;
//! [`view`] shows rows to people.

pub mod clock;
pub mod decision;
pub mod explain;
pub mod fact;
pub mod history;
pub mod lane_book;
pub mod lanes;
pub mod plate;
pub mod reference;
pub mod rights;
pub mod tariff;
pub mod unasked;
pub mod unresolved;
pub mod vehicle;
pub mod view;
pub mod world;
