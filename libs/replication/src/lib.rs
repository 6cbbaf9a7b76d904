//! Replication: what a central holds, what it lacks, and how it gets there. No tokio, no clock, no randomness.
//!
//! [`log`] appends and takes in event frames; [`positions`] is the position map.
//! [`bundle`] is what goes into a file for a site without links.
//! [`audit`] finds out that what is stored is not what was written, or not what others stored.
//! [`catchup`] finds out what is missing, whom to ask and what to tell, [`sync`] does the work around it; [`mesh`] is the life of the
//! links to the peers by the rules of [`link`], [`clock`] what is known of clocks, [`alarm`] what people must look at,
//! [`reference`] how documents of the external API reach centrals that have no access to it.

pub mod alarm;
pub mod audit;
pub mod bundle;
pub mod catchup;
pub mod clock;
pub mod keeping;
pub mod link;
pub mod log;
pub mod mesh;
pub mod positions;
pub mod reference;
pub mod sync;
