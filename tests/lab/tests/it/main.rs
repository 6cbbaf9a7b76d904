//! The lab itself, and the system in the lab.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "helpers of tests fail and talk like tests")]

mod access;
mod audit;
mod backlog;
mod bundles;
mod chaos;
mod checker;
mod clock;
mod clones;
mod disks;
mod doctor;
mod fake;
mod faults;
mod forks;
mod handles;
mod infrastructure;
mod lanes;
mod links;
mod lost;
mod otlp;
mod pauses;
mod privacy;
mod race;
mod reference;
mod restore;
mod retries;
mod rights;
mod secrets;
mod story;
mod support;
mod traces;
mod upgrade;
