//! Rate tables and fees.
//!
//! A [`RateTable`] is the published form, exactly as JSON has it. [`Tariff::import`] checks it once and turns it into
//! something that can price: [`Tariff::price`] is total and pure, so every central and every replay gets the same
//! answer for ever. Nothing here knows a price; the two built-in tables are data files ([`builtin`]).
//!
//! **A longer stay never costs less.** Why this holds, whatever the table:
//! 1. A stay is cut into segments, runs of one window, and pieces of one cap period, in order of time. All of them but
//!    the last are fixed once the exit has passed them.
//! 2. Inside a piece every price is an event at a moment; it counts once the piece reaches past it by more than its
//!    grace, and then for good. So a later exit only adds events at the end, and running maxima of a growing sequence
//!    never shrink.
//! 3. A trailing run within the window grace adds nothing yet; when it is exceeded its events are added.
//! 4. A leading run within the window grace is replaced by its successor only where the first second of that successor
//!    costs at least as much as the whole leading run, and that first second is then charged without any grace.
//! 5. Free minutes come before (0 is the least), surcharges are constant, discounts and rounding are monotone.
//!
//! Where the rules leave room, this is what they mean here:
//! - A window, a segment and (with `restart_lines`) a cap period start the lines at `PT0S` again. With `continue` the
//!   lines run on and only the maximum is counted per period. Rolling periods follow each other without a pause, also
//!   through time that a right covers.
//! - Neighbouring days of a collection without a window are one run; a window has one run per day it starts on.
//! - Window grace measures a whole run, also where a cap period begins inside it. Block grace holds for every block and
//!   tier but the one that starts the stay, and for flat rates where only a cap period is new.
//! - The lowest price of a window is what its first second costs.
//! - A date in `holidays` is a holiday instead of its weekday, unless no collection names `holiday`.
//! - A moment that no collection fits costs nothing. A discount without `needs` is granted to everybody.
//! - A legal ceiling for a duration holds for any span of that length within a stay, not only for the first.

mod book;
pub mod builtin;
mod calendar;
mod ceiling;
mod charge;
mod choose;
mod compile;
mod error;
mod meter;
mod model;
mod price;
mod segment;
#[cfg(test)]
mod tests;
pub(crate) mod text;
mod units;
mod validate;

pub use self::book::{Publication, TariffBook};
pub use self::ceiling::Breach;
pub use self::charge::{Charge, ChargeFlag, FeeCode, FeeLine};
pub use self::choose::{Wanted, choose};
pub use self::compile::Tariff;
pub(crate) use self::error::from_path;
pub use self::error::{FieldError, RateTableError};
pub use self::model::{
    Cap, CapPeriod, CeilingLimit, CeilingPeriod, Day, Discount, DiscountKind, Holiday, LegalCeiling,
    LineType, Needs, NoEntryAction, NoEntryRecord, OnBreach, OnNewPeriod, RateLine, RateLineCollection,
    RateTable, Rounding, RoundingMode, Surcharge, SurchargeKind, Window,
};
pub use self::price::{MAX_STAY_DAYS, Stay};
pub use self::segment::Right;
pub use self::text::Language;
pub use self::units::{IsoDuration, Moment, TimeOfDay};
