//! The lab itself, and the system in the lab.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "helpers of tests fail and talk like tests")]

mod checker;
mod fake;
mod faults;
mod infrastructure;
mod links;
mod otlp;
mod race;
mod retries;
mod story;
mod support;
mod traces;
