//! The life of a link between two centrals, as rules without sockets or clocks: who may come in, when a link is proven, when it
//! is dead, which of two is the spare, and when to dial again. Times are passed in as milliseconds of one monotonic clock.

mod backoff;
mod beat;
mod hello;
mod liveness;
mod queue;
mod spare;

pub use backoff::Backoff;
pub use beat::{Beats, DEAD_AFTER_MISSES, Echo, Tick};
pub use hello::{Expected, Refusal, check_hello};
pub use liveness::{Liveness, Verdict};
pub use queue::{Drop, Queue};
pub use spare::{LinkFacts, clones, primaries, spares};
