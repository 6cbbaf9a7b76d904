//! Integration tests of the domain: one binary.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says where")]

mod central;
mod decision;
mod external_api;
mod history;
mod lane_rows;
mod log;
mod plates;
mod truth;
