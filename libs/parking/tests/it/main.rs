//! Integration tests of the domain: one binary.

mod history;
mod log;
