//! Alarms: which conditions stand, since when, and why. Pure: whoever keeps a [`Board`] passes the time in, logs the changes and
//! shows the rest.

mod board;
mod cause;
mod certificate;
mod lost;
mod refused;
mod stall;

pub use board::{Board, Change, Moment, Standing};
pub use cause::{Cause, of_link, of_store};
pub use certificate::ends as certificate_ends;
pub use lost::nowhere;
pub use refused::{KINDS as REFUSAL_KINDS, kind as refusal_kind};
pub use stall::{GONE_MS, LinkNow, gone, stalled};
