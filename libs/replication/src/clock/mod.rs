//! Clocks of other centrals, seen over a link. Pure: every reading is passed in.
//!
//! Clocks only rank events and raise alarms; nothing is refused because of them.

mod median;
mod skew;
mod verdict;
mod witness;

pub use median::{own_offset_ms, sure_offset};
pub use skew::{Level, Sample, SkewFilter};
pub use verdict::{Clocks, alarms};
pub use witness::{Cover, LIMIT_MS, Measure, Reading, STEP_MS, Witness, same_anchor};
