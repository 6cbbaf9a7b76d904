//! The log of events: how an origin appends to its own stream, and what becomes of a frame that comes in.

mod accept;
mod append;
mod intake;
mod writer;

pub use accept::{Acceptance, Held, accept, links};
pub use append::{Head, NotNext};
pub use intake::{HeldEvent, Intake};
pub use writer::{Writer, WriterHead};
