//! What happens in a car park, as pure functions: no clock, no randomness, no I/O.
//!
//! From the bottom up: [`plate`] and [`vehicle`] name things, [`tariff`] prices a stay, [`reference`] is what is looked up (rate tables, staff, passes), [`clock`] stamps a passage, [`fact`]
//! reads an event, [`rights`] knows lists, passes and counts, [`history`] turns a set of facts into sessions and conflicts, [`decision`] turns a command and that
//! state into an event and an answer, [`unasked`] names what nobody asked for; [`world`] is what a round of decisions works on, [`lanes`] what lanes saw lately;
//! [`view`] shows rows to people.

pub mod clock;
pub mod decision;
pub mod explain;
pub mod fact;
pub mod history;
pub mod lanes;
pub mod plate;
pub mod reference;
pub mod rights;
pub mod tariff;
pub mod unasked;
pub mod vehicle;
pub mod view;
pub mod world;
