//! The forms that cross processes: golden files, there and back, hostile bytes, sizes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bundle;
mod bus_users;
mod every;
mod golden;
mod hostile;
mod lane_events;
mod sample;
mod size;
