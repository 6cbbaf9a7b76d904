//! A model of agreed pruning, and a simulation of it. Nothing of it is shipped: `docs/adr/0014-keeping.md` says what it is for.
//!
//! - [`event`]: what is said by way of the log;
//! - [`memory`]: what one central has on its disk;
//! - [`member`]: the rules, as a state machine without I/O, clock or randomness;
//! - [`world`]: some centrals in seeded chaos, watched by what may never happen.

mod dice;
pub mod event;
pub mod member;
pub mod memory;
pub mod seen;
pub mod world;
