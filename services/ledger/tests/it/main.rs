//! The ledger against a real Postgres and a real NATS, both on free loopback ports.

mod apply;
mod faults;
mod measure;
mod rig;
mod story;
mod verify;
