//! Transactions.

use ::writer::{Behind, Writes};
use wire::hash::Hash32;

use super::{Asked, Event, Store};

/// Why a transaction was refused; nothing of it was done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The conditional head: somebody else wrote, or the disk was put back.
    #[error("the stored head is not the one this writer committed last")]
    HeadMoved,
    /// A unique key stands already.
    #[error("unique key violated: {0}")]
    Unique(String),
}

impl Store {
    /// Commits, whole or not at all.
    pub fn commit(&mut self, tx: &Writes, this: &wire::id::CentralId) -> Result<(), Refused> {
        let done = self.apply(tx, this);
        if let Some(journal) = &mut self.journal {
            journal.push(Asked { writes: tx.clone(), refused: done.clone().err() });
        }
        done
    }

    fn apply(&mut self, tx: &Writes, this: &wire::id::CentralId) -> Result<(), Refused> {
        if self.head != tx.from {
            return Err(Refused::HeadMoved);
        }
        for e in &tx.new {
            let at = &e.frame.header().position;
            let same = |i: &usize| {
                let held: &Event = &self.events[*i];
                held.branch == e.branch || held.frame.hash() == e.frame.hash()
            };
            if self.by_position.get(at).is_some_and(|held| held.iter().any(same)) {
                return Err(Refused::Unique(format!("events ({at}, branch {})", e.branch)));
            }
            if e.arrival <= self.head.arrival {
                return Err(Refused::Unique(format!("events.arrival {}", e.arrival)));
            }
        }
        for (n, e) in tx.new.iter().enumerate() {
            let before = &tx.new[..n];
            let twice = |b: &::writer::NewEvent| {
                b.frame.header().position == e.frame.header().position && b.branch == e.branch
            };
            if before.iter().any(twice) {
                return Err(Refused::Unique(format!("events {}", e.frame.header().position)));
            }
        }
        for e in &tx.new {
            self.events.push(Event {
                frame: e.frame.clone(),
                fact: e.fact.clone().ok(),
                branch: e.branch,
                arrival: e.arrival,
                received_at: tx.now,
            });
            self.index(self.events.len() - 1);
        }
        for e in &tx.erased {
            if let Some(i) = self.find(e.frame.hash(), &e.frame.header().position) {
                self.events[i].frame = e.frame.clone();
                self.events[i].fact = e.fact.clone().ok();
            }
        }
        for s in &tx.streams {
            self.streams.set(s.clone());
        }
        self.rows.replace(this, &tx.projection);
        for a in &tx.answers {
            self.answers.insert(a.command, a.clone());
        }
        self.stale |= tx.stale;
        match tx.behind {
            Behind::Unchanged => {}
            Behind::After(arrival) => self.behind = Some(arrival),
            Behind::Nothing => self.behind = None,
        }
        self.head = tx.to;
        Ok(())
    }

    pub(super) fn find(&self, hash: Hash32, at: &wire::position::Position) -> Option<usize> {
        self.by_position.get(at)?.iter().copied().find(|i| self.events[*i].frame.hash() == hash)
    }
}
