//! `history` and `conflicts`: rows keyed as the tables key them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::rc::Rc;

use parking::history::{ConflictRow, HistoryRow, Projection};
use parking::rights::{Counts, Place};
use wire::event::Credential;
use wire::hash::{Hash32, PlateTag};
use wire::http::SessionStatus;
use wire::id::CentralId;

/// A row of `history`.
#[derive(Debug, Clone)]
pub struct StoredRow {
    /// Its hash.
    pub hash: Hash32,
    /// When a time-out of this central must end it.
    pub due_at: Option<i64>,
    /// All of it.
    pub row: Rc<HistoryRow>,
}

/// A row of `conflicts`.
#[derive(Debug, Clone)]
pub struct StoredConflict {
    /// Its hash.
    pub hash: Hash32,
    /// All of it.
    pub row: Rc<ConflictRow>,
}

/// Both tables.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    history: BTreeMap<String, StoredRow>,
    conflicts: BTreeMap<Hash32, StoredConflict>,
    named: BTreeMap<PlateTag, (BTreeSet<String>, BTreeSet<Hash32>)>,
    due: BTreeSet<(i64, String)>,
}

/// When a time-out of this central must end the row's passage.
fn due_at(this: &CentralId, row: &HistoryRow) -> Option<i64> {
    let policies = parking::history::Policies::default();
    let reference = parking::reference::Reference::default();
    let site = parking::decision::Site {
        central: this,
        operator_key: b"",
        clock_offset_ms: 0,
        reference: &reference,
        policies: &policies,
        rights: parking::rights::Rights::default(),
    };
    parking::decision::timeout::due_at(row, &site)
}

impl Rows {
    /// Vehicles inside, per central, car park and class.
    pub fn inside(&self) -> Counts {
        let mut counts = Counts::default();
        for row in self.history.values().map(|r| &r.row).filter(|r| r.is_open()) {
            let (lot, class) = (row.lot_id.clone(), row.vehicle_class.clone());
            let count = counts.at(Place { central: row.source_central.to_string(), lot, class });
            match row.status {
                SessionStatus::Inside => count.passages += 1,
                _ => count.pending += 1,
            }
        }
        counts
    }

    /// Makes the tables hold exactly the projection's rows for its tags.
    pub(super) fn replace(&mut self, this: &CentralId, projection: &Projection) {
        let mut kept: BTreeSet<&str> = BTreeSet::new();
        let ids: BTreeSet<Hash32> = projection.conflicts.iter().map(|c| c.id).collect();
        for row in &projection.rows {
            kept.insert(&row.event_id);
        }
        for tag in &projection.tags {
            let Some((names, conflicts)) = self.named.remove(tag) else { continue };
            for name in names.iter().filter(|n| !kept.contains(n.as_str())) {
                self.remove(name);
            }
            for id in conflicts.iter().filter(|id| !ids.contains(id)) {
                self.conflicts.remove(id);
            }
            let left: (BTreeSet<String>, BTreeSet<Hash32>) = (
                names.into_iter().filter(|n| kept.contains(n.as_str())).collect(),
                conflicts.into_iter().filter(|c| ids.contains(c)).collect(),
            );
            if !left.0.is_empty() || !left.1.is_empty() {
                self.named.insert(*tag, left);
            }
        }
        let mut written: BTreeSet<&str> = BTreeSet::new();
        for row in &projection.rows {
            // An alias belongs to one row: the first stands.
            if !written.insert(&row.event_id) {
                continue;
            }
            let hash = row.row_hash();
            self.named.entry(row.plate_tag).or_default().0.insert(row.event_id.clone());
            self.remove(&row.event_id);
            let due_at = due_at(this, row);
            self.due.extend(due_at.map(|at| (at, row.event_id.clone())));
            self.history.insert(row.event_id.clone(), StoredRow { hash, due_at, row: Rc::new(row.clone()) });
        }
        for c in &projection.conflicts {
            let hash = c.row_hash();
            self.named.entry(c.plate_tag).or_default().1.insert(c.id);
            self.conflicts.insert(c.id, StoredConflict { hash, row: Rc::new(c.clone()) });
        }
    }

    fn remove(&mut self, name: &str) {
        if let Some(old) = self.history.remove(name)
            && let Some(at) = old.due_at
        {
            self.due.remove(&(at, name.to_owned()));
        }
    }

    /// Rows of `history` by alias.
    pub fn history(&self) -> impl Iterator<Item = &StoredRow> {
        self.history.values()
    }

    /// The row with this alias.
    pub fn named(&self, event_id: &str) -> Option<&StoredRow> {
        self.history.get(event_id)
    }

    /// The rows that a projection's take the place of.
    pub fn clone_of(&self, projection: &Projection) -> Vec<StoredRow> {
        projection.tags.iter().flat_map(|t| self.of(*t)).cloned().collect()
    }

    /// The rows of a vehicle.
    pub fn of(&self, tag: PlateTag) -> impl Iterator<Item = &StoredRow> {
        let names = self.named.get(&tag).into_iter().flat_map(|(names, _)| names);
        names.filter_map(|name| self.history.get(name)).filter(move |r| r.row.plate_tag == tag)
    }

    /// The newest open row with this card.
    pub fn open_with(&self, card: &Credential) -> Option<&StoredRow> {
        let with =
            self.history.values().filter(|r| r.row.is_open() && r.row.credential.as_ref() == Some(card));
        with.max_by_key(|r| r.row.entry_time.or(r.row.exit_time).unwrap_or(r.row.received_at))
    }

    /// Plate tags of rows, in their order.
    pub fn tags(&self, range: (Bound<PlateTag>, Bound<PlateTag>)) -> impl Iterator<Item = PlateTag> {
        self.named.range(range).map(|(tag, _)| *tag)
    }

    /// Rows of `conflicts` by id.
    pub fn conflicts(&self) -> impl Iterator<Item = &StoredConflict> {
        self.conflicts.values()
    }

    /// Plates with a passage whose time-out ends at or before this moment, at most so many.
    pub fn due(&self, to: i64, limit: usize) -> BTreeSet<PlateTag> {
        self.due
            .iter()
            .take_while(|(at, _)| *at <= to)
            .take(limit)
            .filter_map(|(_, name)| self.history.get(name).map(|r| r.row.plate_tag))
            .collect()
    }

    /// Every row that waits for a time-out.
    pub fn waiting(&self) -> impl Iterator<Item = &StoredRow> {
        self.due.iter().filter_map(|(_, name)| self.history.get(name))
    }

    /// Digest over both tables.
    pub fn digest(&self) -> Hash32 {
        let hashes: Vec<&[u8]> = self
            .history
            .iter()
            .flat_map(|(name, r)| [name.as_bytes(), r.hash.as_bytes()])
            .chain(self.conflicts.iter().flat_map(|(id, c)| [id.as_bytes(), c.hash.as_bytes()]))
            .collect();
        Hash32::of(&hashes)
    }
}
