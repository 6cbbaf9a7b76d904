//! How many a car park takes, and how many are there.

use std::collections::BTreeMap;

/// A car park's rule, from the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LotRule {
    /// `lot_id`
    pub id: String,
    /// Places per class; a class that is not named is never full.
    pub capacity: BTreeMap<String, i64>,
    /// Classes it does not take now.
    pub closed: Vec<String>,
}

impl LotRule {
    /// `closed`, `full` or `open` for a class, with so many of it inside.
    pub fn state(&self, class: &str, inside: i64) -> &'static str {
        if self.closed.iter().any(|c| c == class) {
            return "closed";
        }
        match self.capacity.get(class) {
            Some(places) if inside >= *places => "full",
            _ => "open",
        }
    }
}

/// Where vehicles are counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The central they entered at.
    pub central: String,
    /// The car park.
    pub lot: Option<String>,
    /// Class.
    pub class: String,
}

/// How many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Confirmed passages.
    pub passages: i64,
    /// Not yet confirmed.
    pub pending: i64,
    /// What corrections add to the confirmed ones.
    pub corrected: i64,
}

impl Count {
    /// Confirmed and corrected. Never negative: a correction may have taken off more than there is by now.
    pub fn inside(self) -> i64 {
        self.passages.saturating_add(self.corrected).max(0)
    }
}

/// Vehicles inside, per place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<Place, Count>);

impl Counts {
    /// The count of a place, to be changed.
    pub fn at(&mut self, place: Place) -> &mut Count {
        self.0.entry(place).or_default()
    }

    /// The count of a place.
    pub fn of(&self, place: &Place) -> Count {
        self.0.get(place).copied().unwrap_or_default()
    }

    /// Every place that has one, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Place, Count)> {
        self.0.iter().map(|(place, count)| (place, *count))
    }

    /// Inside a car park by all centrals, unconfirmed ones included: what its capacity is compared with.
    pub fn in_lot(&self, lot: &str, class: &str) -> i64 {
        let here = self.iter().filter(|(p, _)| p.lot.as_deref() == Some(lot) && p.class == class);
        here.map(|(_, c)| c.inside().saturating_add(c.pending)).fold(0, i64::saturating_add)
    }
}
