//! What the gateway bears, and who gives way when it is too much.
//!
//! A connection is a [`Seat`] of [`Connections`]: bounded in all and per address, in the time a head may take and in the time it
//! may stand idle or not read. A request then passes [`door::check`] (the address's rate, before anybody's key is looked at) and, behind
//! the key, [`turns::share`] (how much one principal may have at work at once). `docs/LIMITS.md` lists them with their tests.

mod addresses;
mod connections;
pub(crate) mod door;
mod seat;
pub(crate) mod turns;
mod uploads;
mod watched;

pub(crate) use addresses::{Address, Addresses};
pub(crate) use connections::Connections;
pub(crate) use seat::Seat;
pub(crate) use turns::Turns;
pub(crate) use uploads::Uploads;
pub(crate) use watched::{Watched, finish_with};
