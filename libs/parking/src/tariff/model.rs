//! The published form of a rate table: JSON in, the same JSON out. Unknown keys are errors.

use serde::{Deserialize, Serialize};

use super::units::{IsoDuration, Moment, TimeOfDay};
use crate::vehicle::VehicleClass;

/// A versioned price list. Money is VND, every time of day is local to `time_zone`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateTable {
    /// Name of the table, the same in all its versions.
    pub id: String,
    /// Grows with every publication, from 1.
    pub version: i64,
    /// Places it holds for; `*` is every Place.
    pub places: Vec<String>,
    /// Classes it prices.
    pub vehicle_classes: Vec<VehicleClass>,
    /// Whom it is for.
    #[serde(default = "transient")]
    pub user_type: String,
    /// Always `VND`.
    pub currency: String,
    /// IANA name.
    pub time_zone: String,
    /// Entries from this moment on.
    #[serde(default)]
    pub valid_from: Option<Moment>,
    /// Entries before this moment.
    #[serde(default)]
    pub valid_to: Option<Moment>,
    /// Among tables that fit, the highest wins.
    #[serde(default)]
    pub priority: i64,
    /// A whole stay up to this long costs nothing.
    #[serde(default)]
    pub free_minutes: u32,
    /// Overage that starts no block.
    #[serde(default)]
    pub block_grace_minutes: u32,
    /// A run of a window at the edge of a stay, up to this long, may be dropped.
    #[serde(default)]
    pub window_grace_minutes: u32,
    /// Time to leave after paying.
    #[serde(default)]
    pub exit_grace_minutes: u32,
    /// The windows; the lowest sequence that fits a moment prices it.
    pub collections: Vec<RateLineCollection>,
    /// Local dates whose day is `holiday`.
    #[serde(default)]
    pub holidays: Vec<Holiday>,
    /// Reductions.
    #[serde(default)]
    pub discounts: Vec<Discount>,
    /// Our maxima per period.
    #[serde(default)]
    pub caps: Vec<Cap>,
    /// Added outside the caps.
    #[serde(default)]
    pub surcharges: Vec<Surcharge>,
    /// None keeps every đồng.
    #[serde(default)]
    pub rounding: Option<Rounding>,
    /// A fee above this needs staff.
    #[serde(default)]
    pub review_above: Option<i64>,
    /// What to do with an exit that has no entry.
    #[serde(default)]
    pub no_entry_record: Option<NoEntryRecord>,
    /// The province's maximum.
    #[serde(default)]
    pub legal_ceiling: Option<LegalCeiling>,
}

fn transient() -> String {
    "transient".to_owned()
}

/// A window with its lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLineCollection {
    /// Order of precedence, unique in the table.
    pub sequence: u32,
    /// None is the whole day.
    #[serde(default)]
    pub window: Option<Window>,
    /// Days on which the window starts.
    #[serde(default = "all_days")]
    pub days: Vec<Day>,
    /// What is charged.
    pub lines: Vec<RateLine>,
    /// The most one touch of the window costs.
    #[serde(default)]
    pub max_value: Option<i64>,
}

fn all_days() -> Vec<Day> {
    Day::ALL.to_vec()
}

/// A daily window; an end at or before the start is on the next day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Inclusive.
    pub start: TimeOfDay,
    /// Exclusive.
    pub end: TimeOfDay,
}

/// A kind of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
    /// A date of `holidays`, instead of its weekday, if any collection of the table names `holiday`.
    Holiday,
}

impl Day {
    /// All, Monday first.
    pub const ALL: [Self; 8] =
        [Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri, Self::Sat, Self::Sun, Self::Holiday];
}

/// A price inside a window. `start` and `end` count from the moment the window (or the new cap period) was entered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLine {
    /// Order, unique in the collection.
    pub sequence: u32,
    /// How it is charged.
    #[serde(rename = "type")]
    pub kind: LineType,
    /// Inclusive.
    #[serde(default = "zero")]
    pub start: IsoDuration,
    /// Exclusive; none is for ever.
    #[serde(default)]
    pub end: Option<IsoDuration>,
    /// The block of `incrementing_rate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub increment: Option<IsoDuration>,
    /// VND per touch, tier or block.
    pub value: i64,
    /// The most this line costs in one piece.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_value: Option<i64>,
}

fn zero() -> IsoDuration {
    IsoDuration::ZERO
}

/// How a line is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineType {
    /// Once per window touched.
    FlatRate,
    /// Once when the tier is entered.
    FlatRateTier,
    /// Once per started block.
    IncrementingRate,
}

/// A date, in JSON `2027-01-01`.
pub type Holiday = jiff::civil::Date;

/// A reduction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Discount {
    /// Unique in the table.
    pub id: String,
    /// How it is computed.
    #[serde(rename = "type")]
    pub kind: DiscountKind,
    /// Percent or VND.
    pub value: i64,
    /// Who must grant it; none is granted to everybody.
    #[serde(default)]
    pub needs: Option<Needs>,
}

/// How a discount is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiscountKind {
    /// Of the fee with surcharges.
    Percent,
    /// VND, never below a fee of 0.
    Amount,
}

/// Who must grant a discount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Needs {
    /// A member of staff.
    Staff,
}

/// Our maximum per period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cap {
    /// What a period is.
    pub period: CapPeriod,
    /// Length of a rolling period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<IsoDuration>,
    /// VND per period.
    pub value: i64,
    /// What the lines do when a period begins.
    #[serde(default = "restart_lines")]
    pub on_new_period: OnNewPeriod,
}

fn restart_lines() -> OnNewPeriod {
    OnNewPeriod::RestartLines
}

/// What a cap period is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CapPeriod {
    /// Starts with the first charged second, again after each length.
    Rolling,
    /// From local midnight to local midnight.
    CalendarDay,
}

/// What the lines do when a cap period begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnNewPeriod {
    /// They begin again, as if the vehicle had entered now.
    RestartLines,
    /// They go on where they are.
    Continue,
}

/// An addition outside the caps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Surcharge {
    /// When it applies.
    #[serde(rename = "type")]
    pub kind: SurchargeKind,
    /// VND.
    pub value: i64,
}

/// When a surcharge applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SurchargeKind {
    /// The card or ticket was lost.
    LostCredential,
}

/// Rounding of the final fee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rounding {
    /// VND.
    pub unit: i64,
    /// Which way.
    pub mode: RoundingMode,
}

/// Which way to round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoundingMode {
    /// To the next unit.
    Up,
    /// To the unit before.
    Down,
    /// To the nearest unit, halves up.
    Nearest,
}

/// The procedure for an exit without an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoEntryRecord {
    /// What the lane does.
    pub action: NoEntryAction,
    /// VND that staff (or the lane) charge.
    pub fallback_charge: i64,
}

/// What a lane does with an exit without an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoEntryAction {
    /// Staff decide.
    AskStaff,
    /// The fallback is charged without asking.
    ChargeFallback,
}

/// The province's maximum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LegalCeiling {
    /// The decision it comes from.
    pub reference: String,
    /// One per period.
    pub limits: Vec<CeilingLimit>,
    /// What an import does with a table above it.
    #[serde(default = "reject_import")]
    pub on_breach: OnBreach,
}

fn reject_import() -> OnBreach {
    OnBreach::RejectImport
}

/// The most that may be charged in a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CeilingLimit {
    /// The period.
    pub period: CeilingPeriod,
    /// VND.
    pub value: i64,
}

/// The period of a legal ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum CeilingPeriod {
    /// Any span of this length within a stay.
    Any(IsoDuration),
    /// The day hours of one day: the windows that do not cross midnight, else 05:00 to 21:00.
    Day,
    /// The night hours of one night: the windows that cross midnight, else 21:00 to 05:00.
    Night,
    /// A stay of up to 24 hours.
    Stay,
}

impl TryFrom<String> for CeilingPeriod {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "day" => Ok(Self::Day),
            "night" => Ok(Self::Night),
            "stay" => Ok(Self::Stay),
            _ => IsoDuration::try_from(text)
                .map(Self::Any)
                .map_err(|_| "must be an ISO 8601 duration such as PT1H, or day, night or stay"),
        }
    }
}

impl From<CeilingPeriod> for String {
    fn from(period: CeilingPeriod) -> Self {
        match period {
            CeilingPeriod::Any(duration) => duration.into(),
            CeilingPeriod::Day => "day".to_owned(),
            CeilingPeriod::Night => "night".to_owned(),
            CeilingPeriod::Stay => "stay".to_owned(),
        }
    }
}

/// What an import does with a table above the legal ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnBreach {
    /// The table is refused.
    RejectImport,
    /// The table is taken; the breaches are named.
    Warn,
}
