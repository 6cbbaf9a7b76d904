//! Endpoints, one file each: request, errors, documentation and handler together.

pub(crate) mod admin;
mod deed;
pub(crate) mod docs;
pub(crate) mod edge;
pub(crate) mod edges;
pub(crate) mod lane_commands;
pub(crate) mod lane_mode;
pub(crate) mod not_yet;
pub(crate) mod p2p;
pub(crate) mod parking;
pub(crate) mod probes;
pub(crate) mod reference;
mod register;
pub(crate) mod rights;
