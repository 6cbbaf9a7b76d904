//! Mesh against real NATS servers and real sockets; the ledger is a stand-in on each bus.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a failed expectation fails the test")]

mod attacks;
mod bundles;
mod config;
mod faults;
mod identity;
mod links;
mod plate;
mod support;
mod test_connection;
