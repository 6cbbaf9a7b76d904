//! What a stay costs, and why.

use serde::{Deserialize, Serialize};

/// The answer for one stay. Plain data: it travels inside events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// What is due, VND, never negative; the sum of the lines.
    pub fee: i64,
    /// The same before rounding.
    pub unrounded: i64,
    /// Always `VND`.
    pub currency: String,
    /// Which table priced it.
    pub table_id: String,
    /// Which version of that table.
    pub table_version: i64,
    /// The breakdown, by time.
    pub lines: Vec<FeeLine>,
    /// What a reader should know.
    pub flags: Vec<ChargeFlag>,
    /// Staff must confirm the fee.
    pub review: bool,
    /// Until when a vehicle that pays now may leave without paying again, ms since the epoch.
    pub valid_until_ms: i64,
}

/// What a reader of a charge should know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChargeFlag {
    /// The exit lies before the entry.
    ClockAnomaly,
    /// The fee is above the table's review limit.
    ReviewAbove,
    /// The stay is longer than any that is priced; the rest was left out.
    StayTooLong,
}

impl ChargeFlag {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClockAnomaly => "clock_anomaly",
            Self::ReviewAbove => "review_above",
            Self::StayTooLong => "stay_too_long",
        }
    }
}

/// One line of a breakdown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeeLine {
    /// What it is.
    pub code: FeeCode,
    /// Where it comes from: `collection.line` by sequence, or the id of a right, discount or cap.
    pub reference: String,
    /// How often `value` counts; 0 where it does not apply.
    pub count: i64,
    /// VND of one, percent of a discount, or the limit of a maximum.
    pub value: i64,
    /// Length of a block, free period or cap period in seconds; 0 where it does not apply.
    pub seconds: i64,
    /// Start of the time it is for, ms since the epoch.
    pub from_ms: i64,
    /// End of that time, exclusive.
    pub to_ms: i64,
    /// VND; negative where it takes away.
    pub amount: i64,
}

/// What a line of a breakdown is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeeCode {
    /// A window touched.
    Flat,
    /// A tier entered.
    Tier,
    /// Started blocks.
    Increment,
    /// Time under a right.
    Covered,
    /// A stay within the free minutes.
    Free,
    /// A run of a window within the window grace.
    WindowGrace,
    /// Time that no collection prices.
    NotPriced,
    /// Taken away by the maximum of a line.
    LineMax,
    /// Taken away by the maximum of a window.
    WindowMax,
    /// Taken away by a cap.
    Cap,
    /// The rest of a very long breakdown.
    More,
    /// The card or ticket was lost.
    LostCredential,
    /// A discount.
    Discount,
    /// Rounding.
    Rounding,
    /// The exit lies before the entry.
    ClockAnomaly,
    /// The charge of the no-entry procedure.
    NoEntry,
}
