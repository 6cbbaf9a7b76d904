//! Replication: what a central holds, what it lacks, and how it gets there. No tokio, no clock, no randomness.
//!
//! [`log`] appends and takes in event frames; [`positions`] is the position map.
//! [`catchup`] finds out what is missing, whom to ask and what to tell; [`link`] is the life of a link to a peer, [`clock`] what is known of its clock.

pub mod catchup;
pub mod clock;
pub mod link;
pub mod log;
pub mod positions;
