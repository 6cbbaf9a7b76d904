//! What another policy would have decided: the same facts, projected twice.

use std::collections::{BTreeMap, BTreeSet};

use wire::http::SessionStatus;

use super::conflict::{ConflictKind, ConflictRow};
use super::policy::Policies;
use super::row::{EventRef, HistoryRow};
use super::{Projection, project};
use crate::fact::Fact;

/// A session under one of the policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stand {
    /// Its status.
    pub status: SessionStatus,
    /// The session whose duplicate it is.
    pub duplicate_of: Option<String>,
    /// The exit that closes it.
    pub exit: Option<EventRef>,
    /// Due, VND.
    pub fee: Option<i64>,
    /// Kinds of the conflicts it is in, ascending.
    pub conflicts: Vec<ConflictKind>,
}

/// A session that the two policies decide differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its alias.
    pub event_id: String,
    /// The event it is about.
    pub opening: EventRef,
    /// When it began, ms since the epoch.
    pub at: i64,
    /// As it stands.
    pub before: Stand,
    /// As it would.
    pub after: Stand,
}

/// Rows by what they are, before and after.
pub type Counts<K> = BTreeMap<K, (u64, u64)>;

/// What a comparison of some vehicles gave. Comparisons of other vehicles can be added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Sessions of the period by status.
    pub sessions: Counts<SessionStatus>,
    /// Conflicts of the period by kind.
    pub conflicts: Counts<ConflictKind>,
    /// Sessions of the period that would be decided differently.
    pub differing: u64,
    /// Those of them that were asked for, by time and alias.
    pub listed: Vec<Difference>,
}

/// What to compare, and what to list of it.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// As it is.
    pub before: &'a Policies,
    /// As it would be.
    pub after: &'a Policies,
    /// First moment that counts, ms since the epoch.
    pub from: i64,
    /// First moment that counts no more.
    pub to: i64,
    /// List only what comes behind this session (time, alias).
    pub behind: Option<(i64, String)>,
    /// List at most so many.
    pub limit: usize,
}

impl Comparison {
    /// Compares one closed set of facts. Nothing is changed anywhere.
    pub fn add(&mut self, question: &Question<'_>, facts: &[Fact]) {
        let before = project(facts, question.before);
        let after = project(facts, question.after);
        let in_period = |at: i64| (question.from..question.to).contains(&at);
        let begins = |r: &HistoryRow| r.entry_time.or(r.exit_time).unwrap_or(r.received_at);
        for r in before.rows.iter().filter(|r| in_period(begins(r))) {
            self.sessions.entry(r.status).or_default().0 += 1;
        }
        for r in after.rows.iter().filter(|r| in_period(begins(r))) {
            self.sessions.entry(r.status).or_default().1 += 1;
        }
        for c in before.conflicts.iter().filter(|c| in_period(c.detected_at)) {
            self.conflicts.entry(c.kind).or_default().0 += 1;
        }
        for c in after.conflicts.iter().filter(|c| in_period(c.detected_at)) {
            self.conflicts.entry(c.kind).or_default().1 += 1;
        }
        // An exit has a row of its own where no entry is left for it: both sides are looked through.
        let openings: BTreeSet<&EventRef> = before
            .rows
            .iter()
            .chain(&after.rows)
            .filter(|r| in_period(begins(r)))
            .map(|r| &r.opening)
            .collect();
        for opening in openings {
            let (b, a) = (stand(&before, opening), stand(&after, opening));
            if b == a {
                continue;
            }
            let Some(row) = row_at(&before, opening).or_else(|| row_at(&after, opening)) else { continue };
            self.differing += 1;
            self.list(
                question,
                Difference {
                    event_id: row.event_id.clone(),
                    opening: opening.clone(),
                    at: begins(row),
                    before: b,
                    after: a,
                },
            );
        }
    }

    fn list(&mut self, question: &Question<'_>, d: Difference) {
        let key = |d: &Difference| (d.at, d.event_id.clone());
        if question.behind.as_ref().is_some_and(|b| key(&d) <= *b) {
            return;
        }
        let at = self.listed.partition_point(|l| key(l) < key(&d));
        self.listed.insert(at, d);
        self.listed.truncate(question.limit);
    }
}

fn row_at<'p>(p: &'p Projection, opening: &EventRef) -> Option<&'p HistoryRow> {
    p.row_at(&opening.position, &opening.hash)
}

/// How a session stands; one that has no row of its own is part of another one.
fn stand(p: &Projection, opening: &EventRef) -> Stand {
    let Some(row) = row_at(p, opening) else {
        let of = p.rows.iter().find(|r| r.events.contains(opening));
        return Stand {
            status: of.map_or(SessionStatus::Duplicate, |r| r.status),
            duplicate_of: of.map(|r| r.event_id.clone()),
            exit: None,
            fee: None,
            conflicts: Vec::new(),
        };
    };
    let mut conflicts: Vec<ConflictKind> = p.conflicts_of(row).map(|c: &ConflictRow| c.kind).collect();
    conflicts.sort_unstable();
    Stand {
        status: row.status,
        duplicate_of: row.duplicate_of_event_id.clone(),
        exit: row.exit.clone(),
        fee: row.fee,
        conflicts,
    }
}
