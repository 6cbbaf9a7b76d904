//! Passes: rights that somebody holds, by the month as a rule.

use std::collections::{BTreeSet, HashMap};

use serde::Deserialize;

use super::refused::{Reasons, is_name};
use crate::plate::{self, PlateKey};
use crate::tariff::Moment;
use crate::vehicle::VehicleClass;

/// Plates of one pass at most.
const MAX_PLATES: usize = 50;
/// Lots of one pass at most.
const MAX_LOTS: usize = 100;

/// A pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// Name of the pass, unique.
    pub id: String,
    /// Match keys of the vehicles that may use it.
    pub plates: Vec<PlateKey>,
    /// The class it is for; none is any.
    pub vehicle_class: Option<VehicleClass>,
    /// Car parks it holds in; `*` is every one.
    pub lots: Vec<String>,
    /// Its first moment, ms since the epoch.
    pub valid_from: i64,
    /// The first moment it holds no more, ms since the epoch; none is open-ended.
    pub valid_to: Option<i64>,
    /// How many of its vehicles may be inside under it at a time.
    pub max_inside: u32,
}

impl Pass {
    /// True where it holds in this car park.
    #[must_use]
    pub fn holds_in(&self, lot: Option<&str>) -> bool {
        self.lots.iter().any(|l| l == "*" || Some(l.as_str()) == lot)
    }

    /// True where it is for this class.
    #[must_use]
    pub fn is_for(&self, class: VehicleClass) -> bool {
        self.vehicle_class.is_none_or(|c| c == class)
    }
}

/// All passes, found by plate and by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Passes {
    version: Option<i64>,
    all: Vec<Pass>,
    by_plate: HashMap<PlateKey, Vec<usize>>,
    by_id: HashMap<String, usize>,
}

impl Passes {
    /// Indexes passes.
    #[must_use]
    pub fn new(version: Option<i64>, all: Vec<Pass>) -> Self {
        let mut by_plate: HashMap<PlateKey, Vec<usize>> = HashMap::new();
        let mut by_id = HashMap::with_capacity(all.len());
        for (i, pass) in all.iter().enumerate() {
            for key in &pass.plates {
                by_plate.entry(key.clone()).or_default().push(i);
            }
            by_id.insert(pass.id.clone(), i);
        }
        Self { version, all, by_plate, by_id }
    }

    /// Version of the document; none when none is held.
    #[must_use]
    pub fn version(&self) -> Option<i64> {
        self.version
    }

    /// The passes of a plate, in the document's order, whether they hold now or not.
    pub fn of_plate(&self, key: &PlateKey) -> impl Iterator<Item = &Pass> {
        self.by_plate.get(key).into_iter().flatten().filter_map(|&i| self.all.get(i))
    }

    /// The pass of this name.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Pass> {
        self.by_id.get(id).and_then(|&i| self.all.get(i))
    }

    /// All of them, in the document's order.
    #[must_use]
    pub fn all(&self) -> &[Pass] {
        &self.all
    }
}

/// A pass as published.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Published {
    id: String,
    plates: Vec<String>,
    #[serde(default)]
    vehicle_class: Option<VehicleClass>,
    #[serde(default = "everywhere")]
    lots: Vec<String>,
    valid_from: Moment,
    #[serde(default)]
    valid_to: Option<Moment>,
    #[serde(default = "one")]
    max_inside: u32,
}

fn everywhere() -> Vec<String> {
    vec!["*".to_owned()]
}

const fn one() -> u32 {
    1
}

/// Checks what the shape alone cannot say.
pub(super) fn checked(items: Vec<Published>, reasons: &mut Reasons) -> Vec<Pass> {
    let mut names = BTreeSet::new();
    let mut passes = Vec::with_capacity(items.len());
    for (i, item) in items.into_iter().enumerate() {
        let at = |field: &str| format!("/items/{i}/{field}");
        reasons.check(is_name(&item.id), || at("id"), "out_of_range", "must have 1 to 64 characters");
        reasons.check(names.insert(item.id.clone()), || at("id"), "duplicate", "must be unique");
        reasons.check(
            (1..=MAX_PLATES).contains(&item.plates.len()),
            || at("plates"),
            "out_of_range",
            "must have 1 to 50 plates",
        );
        reasons.check(
            (1..=MAX_LOTS).contains(&item.lots.len()),
            || at("lots"),
            "out_of_range",
            "must name 1 to 100 lots, or * for all",
        );
        for (j, lot) in item.lots.iter().enumerate() {
            reasons.check(
                is_name(lot),
                || at(&format!("lots/{j}")),
                "out_of_range",
                "must have 1 to 64 characters",
            );
        }
        reasons.check(
            item.valid_to.as_ref().is_none_or(|to| to.ms() > item.valid_from.ms()),
            || at("valid_to"),
            "out_of_range",
            "must lie after valid_from",
        );
        reasons.check(
            (1..=1000).contains(&item.max_inside),
            || at("max_inside"),
            "out_of_range",
            "must be 1 to 1000",
        );
        passes.push(Pass {
            plates: plates(&item, i, reasons),
            id: item.id,
            vehicle_class: item.vehicle_class,
            lots: item.lots,
            valid_from: item.valid_from.ms(),
            valid_to: item.valid_to.map(|m| m.ms()),
            max_inside: item.max_inside,
        });
    }
    passes
}

fn plates(item: &Published, i: usize, reasons: &mut Reasons) -> Vec<PlateKey> {
    let classes: Vec<VehicleClass> = item.vehicle_class.into_iter().collect();
    let mut keys: Vec<PlateKey> = Vec::with_capacity(item.plates.len());
    for (j, text) in item.plates.iter().take(MAX_PLATES).enumerate() {
        let at = || format!("/items/{i}/plates/{j}");
        match plate::read(text, &classes).ok().and_then(|r| r.key) {
            None => {
                reasons.add(at(), "malformed", "must be a plate: letters and digits, at most 64 characters")
            }
            Some(key) if keys.contains(&key) => {
                reasons.add(at(), "duplicate", "is the same plate as one before it");
            }
            Some(key) => keys.push(key),
        }
    }
    keys
}
