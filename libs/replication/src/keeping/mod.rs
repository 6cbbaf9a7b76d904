//! Keeping: which month an event is filed under, and when a disk is full.

mod budget;
mod month;

pub use budget::{Forecast, Growth, MonthSize};
pub use month::{Month, NO_MONTH, month_begins, month_name, month_of};
