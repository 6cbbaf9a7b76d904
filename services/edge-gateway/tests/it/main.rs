//! The gateway as callers meet it: a real NATS server, the gateway in this process, and stand-ins for the other services that answer
//! on the bus.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail tests")]

mod access;
mod authentication;
mod bundles;
mod docs;
mod harness;
mod idempotency;
mod keeping;
mod lane_control;
mod lanes;
mod limits;
mod no_ledger;
mod order_of_checks;
mod people;
mod policies;
mod reference;
mod rights;
mod stand_ins;
mod status;
mod stream;
mod tls;
mod webhook;
mod wire_level;
mod wrong_requests;
