//! Replication: what a central holds, what it lacks, and how it gets there. No tokio, no clock, no randomness.
//!
//! [`log`] appends and takes in event frames; [`positions`] is the position map.

pub mod log;
pub mod positions;
