//! Divergence found, located to the event: sums over what is stored, compared with what other centrals stored, and the rules by
//! which a row is damaged, and by which bytes are proven to be the ones that were written.
//!
//! [`check()`] looks at the rows of a stretch of one stream: each must be what its own hash, its neighbours and the position map say.
//! What it read goes into the [`Book`], from which sums per origin and UTC day are made. [`Exchange`] compares them with those of
//! peers and goes down from an origin to a day, a chunk and a position. [`judge`] says what a difference there means.

mod book;
mod check;
mod exchange;
mod tally;
mod witness;

pub use book::{Book, Compared, Seen};
pub use check::{Checked, Fault, Row, Stretch, check, map_print};
pub use exchange::{Exchange, Next, Standing, State};
pub use tally::{add, day_of, of_frame, same_places};
pub use witness::{Verdict, judge, proven};

#[cfg(test)]
mod tests;
