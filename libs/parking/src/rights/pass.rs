//! Monthly passes: those of the external API and those given here are one thing to a decision.

use crate::history::HistoryRow;
use crate::reference::Pass;
use crate::vehicle::VehicleClass;

/// A pass as this central holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held<'a> {
    /// The pass.
    pub pass: &'a Pass,
    /// Version of the external API's list; none for one given here.
    pub version: Option<i64>,
}

impl Held<'_> {
    /// True when it is for this class in this car park, whenever. Motorbikes of both kinds are one class to a pass.
    pub fn fits(&self, class: &str, lot: Option<&str>) -> bool {
        let class: Option<VehicleClass> = class.parse().ok();
        let same =
            |own: VehicleClass| class.is_some_and(|c| c == own || (c.is_motorbike() && own.is_motorbike()));
        self.pass.vehicle_class.is_none_or(same) && self.pass.holds_in(lot)
    }

    /// True while it is valid.
    pub fn is_valid(&self, at: i64) -> bool {
        self.pass.valid_from <= at && at < self.valid_to()
    }

    /// Until this moment (exclusive), ms since the epoch; `i64::MAX` is for ever.
    pub fn valid_to(&self) -> i64 {
        self.pass.valid_to.unwrap_or(i64::MAX)
    }

    /// True when the stay of a row can be under it.
    pub fn is_for(&self, row: &HistoryRow) -> bool {
        let named = |key: &str| self.pass.plates.iter().any(|p| p.as_str() == key);
        row.plate_key.as_deref().is_some_and(named) && self.fits(&row.vehicle_class, row.lot_id.as_deref())
    }
}

/// True when a list of car parks means this one: it names none, or all, or it.
pub(super) fn is_among(lots: &[String], lot: Option<&str>) -> bool {
    lots.is_empty() || lots.iter().any(|l| l == "*" || Some(l.as_str()) == lot)
}
