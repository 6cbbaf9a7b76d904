//! Messages on a central's own bus. Commands and queries are JSON; whatever carries event bytes is postcard.
//!
//! The bus is fast and lossy on purpose: nothing here is durable, and whatever is lost, catch-up repairs.

pub mod access;
pub mod bundle;
pub mod command;
pub mod events;
pub mod lanes;
pub mod query;
pub mod reason;
pub mod reference;
pub mod state;
pub mod subject;
pub mod trace;
pub mod users;
