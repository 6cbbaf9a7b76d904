//! From a published rate table to one that can price.

use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::calendar::Calendar;
use super::ceiling::{self, Breach};
use super::error::{self, Errors, RateTableError};
use super::model::{LineType, OnBreach, RateLineCollection, RateTable};
use super::validate;

/// A rate table that was checked. Nothing about pricing with it can fail.
pub struct Tariff {
    table: RateTable,
    pub(super) calendar: Calendar,
    /// By sequence, like the calendar's rules.
    pub(super) collections: Vec<Collection>,
    breaches: Vec<Breach>,
    tz: TimeZone,
}

/// The lines of a collection, by sequence, in seconds.
pub(super) struct Collection {
    pub(super) sequence: u32,
    pub(super) lines: Vec<Line>,
    pub(super) max: i64,
}

/// A line in seconds and VND; "none" is `i64::MAX`.
pub(super) struct Line {
    pub(super) sequence: u32,
    pub(super) kind: LineType,
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) step: i64,
    pub(super) value: i64,
    pub(super) max: i64,
}

impl Tariff {
    /// Reads and checks a table.
    ///
    /// # Errors
    /// With the field and the reason of everything that is wrong; of the shape, only the first.
    pub fn import(json: &str) -> Result<Self, RateTableError> {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let table = serde_path_to_error::deserialize(&mut deserializer).map_err(|e| error::from_path(&e))?;
        deserializer.end().map_err(|e| {
            let mut errors = Errors::default();
            errors.push("", "malformed", e.to_string());
            RateTableError { errors: errors.0 }
        })?;
        Self::new(table)
    }

    /// Reads and checks a table that is part of a larger document.
    ///
    /// # Errors
    /// As [`Tariff::import`].
    pub fn from_value(json: &serde_json::Value) -> Result<Self, RateTableError> {
        Self::new(serde_path_to_error::deserialize(json).map_err(|e| error::from_path(&e))?)
    }

    /// Checks a table.
    ///
    /// # Errors
    /// With the field and the reason of everything that is wrong.
    pub fn new(table: RateTable) -> Result<Self, RateTableError> {
        let mut errors = Errors::default();
        validate::check(&table, &mut errors);
        // The bundled database, so that every machine computes with the same one.
        let tz = TimeZoneDatabase::bundled().get(&table.time_zone);
        if tz.is_err() {
            errors.push(
                "/time_zone",
                "unknown_time_zone",
                "must be an IANA time zone such as Asia/Ho_Chi_Minh",
            );
        }
        errors.into_result()?;
        let mut tariff = Self::assemble(table, tz.unwrap_or(TimeZone::UTC));
        tariff.breaches = ceiling::check(&tariff);
        if tariff.table.legal_ceiling.as_ref().is_some_and(|c| c.on_breach == OnBreach::RejectImport) {
            let mut errors = Errors::default();
            for breach in &tariff.breaches {
                errors.push(
                    format!("/legal_ceiling/limits/{}", breach.limit),
                    "legal_ceiling",
                    breach.to_string(),
                );
            }
            errors.into_result()?;
        }
        Ok(tariff)
    }

    /// Puts a checked table together, without looking at its ceiling.
    pub(super) fn assemble(table: RateTable, tz: TimeZone) -> Self {
        let mut order: Vec<usize> = (0..table.collections.len()).collect();
        order.sort_by_key(|&i| table.collections.get(i).map(|c| c.sequence));
        let calendar = Calendar::new(&table, &order, tz.clone());
        let collections =
            order.iter().filter_map(|&i| table.collections.get(i)).map(Collection::of).collect();
        Self { table, calendar, collections, breaches: Vec::new(), tz }
    }

    /// The published form.
    #[must_use]
    pub fn table(&self) -> &RateTable {
        &self.table
    }

    /// The time zone of the Place.
    #[must_use]
    pub fn tz(&self) -> &TimeZone {
        &self.tz
    }

    /// Where the table is above a legal ceiling that only warns.
    #[must_use]
    pub fn breaches(&self) -> &[Breach] {
        &self.breaches
    }
}

impl std::fmt::Debug for Tariff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tariff").field("table", &self.table).finish_non_exhaustive()
    }
}

impl Clone for Tariff {
    fn clone(&self) -> Self {
        let mut clone = Self::assemble(self.table.clone(), self.tz.clone());
        clone.breaches.clone_from(&self.breaches);
        clone
    }
}

impl Collection {
    fn of(collection: &RateLineCollection) -> Self {
        let mut lines: Vec<Line> = collection
            .lines
            .iter()
            .map(|l| Line {
                sequence: l.sequence,
                kind: l.kind,
                start: l.start.seconds(),
                end: l.end.map_or(i64::MAX, |e| e.seconds()),
                step: l.increment.map_or(i64::MAX, |i| i.seconds()),
                value: l.value,
                max: l.max_value.unwrap_or(i64::MAX),
            })
            .collect();
        lines.sort_by_key(|l| l.sequence);
        Self { sequence: collection.sequence, lines, max: collection.max_value.unwrap_or(i64::MAX) }
    }
}

/// How a piece was entered, which decides the grace of what starts with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entered {
    /// The first priced second of the stay: no grace.
    Stay,
    /// Another window or segment: its flat rate has the window grace only.
    Window,
    /// A new cap period: everything has the block grace.
    CapPeriod,
}

impl Line {
    /// How many prices of this line fall into the offsets `from..to` of a piece of `length` seconds.
    ///
    /// A price at offset s counts when the piece reaches more than its grace past it, so the answer for fixed `from..to`
    /// never shrinks when `length` grows.
    pub(super) fn prices(
        &self,
        length: i64,
        (from, to): (i64, i64),
        block_grace: i64,
        entered: Entered,
    ) -> i64 {
        let grace = match entered {
            _ if self.start > 0 => block_grace,
            Entered::Stay => 0,
            Entered::Window if self.kind == LineType::FlatRate => 0,
            Entered::Window | Entered::CapPeriod => block_grace,
        };
        let starts_here = from <= self.start && self.start < to && self.start + grace < length;
        if self.kind != LineType::IncrementingRate {
            return i64::from(starts_here);
        }
        // The first block has its own grace; the later ones start at start + k * step, k ≥ 1.
        let end = to.min(self.end).min(length - block_grace);
        let blocks_before = |offset: i64| (offset - self.start + self.step - 1).div_euclid(self.step).max(1);
        let later = (blocks_before(end) - blocks_before(from.max(0))).max(0);
        i64::from(starts_here) + later
    }
}

impl Collection {
    /// What a piece costs before caps.
    pub(super) fn price(&self, length: i64, block_grace: i64, entered: Entered) -> i64 {
        let lines = self
            .lines
            .iter()
            .map(|l| l.prices(length, (0, length), block_grace, entered).saturating_mul(l.value).min(l.max));
        lines.fold(0, i64::saturating_add).min(self.max)
    }
}
