//! The ledger against a real Postgres and a real NATS, both on free loopback ports.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on ends; measurements are printed"
)]

mod access;
mod apply;
mod audit;
mod conformance;
mod faults;
mod keeping;
mod lanes;
mod later;
mod measure;
mod peers;
mod plans;
mod policy;
mod reference;
mod rig;
mod rights;
mod story;
mod upgrade;
mod verify;
