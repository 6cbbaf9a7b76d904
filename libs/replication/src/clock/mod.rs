//! Clocks of other centrals, seen over a link. Pure: every reading is passed in.
//!
//! Clocks only rank events and raise alarms; nothing is refused because of them.

mod median;
mod skew;

pub use median::own_offset_ms;
pub use skew::{Level, Sample, SkewFilter};
