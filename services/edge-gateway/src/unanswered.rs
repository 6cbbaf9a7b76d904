//! Openings that were answered `no_ledger` lately. The lane acted by itself then; when the same request comes again and is recorded,
//! it is marked as decided without ledger.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use wire::bus::command::Command;

use crate::ask::Request;

/// Openings remembered at most; of more the oldest are forgotten.
const MOST: usize = 4096;
/// A lane repeats every second or so; what comes much later is another vehicle.
const REMEMBERED: Duration = Duration::from_secs(600);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Unanswered {
    hasher: RandomState,
    noted: Mutex<Noted>,
}

#[derive(Debug, Default)]
struct Noted {
    at: HashMap<u64, Instant>,
    order: VecDeque<(u64, Instant)>,
}

impl Unanswered {
    /// What a repetition is known by: its key, or edge, plate and time. None for what is no opening.
    pub(crate) fn name(&self, request: &Request<'_>, command: &Command) -> Option<u64> {
        let Command::Open { lane, seen, .. } = command else { return None };
        Some(match &request.idempotency_key {
            Some(key) => self.hasher.hash_one((request.principal, key)),
            None => self.hasher.hash_one((&lane.edge_id, &seen.plate, seen.captured_at)),
        })
    }

    /// The lane had no answer to it before.
    pub(crate) fn knows(&self, name: Option<u64>) -> bool {
        let noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        name.and_then(|name| noted.at.get(&name)).is_some_and(|at| at.elapsed() < REMEMBERED)
    }

    /// It was answered `no_ledger`, or answered at last.
    pub(crate) fn note(&self, name: Option<u64>, answered: bool) {
        let Some(name) = name else { return };
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if answered {
            noted.at.remove(&name);
            return;
        }
        let now = Instant::now();
        noted.at.insert(name, now);
        noted.order.push_back((name, now));
        while noted.order.len() > MOST {
            let Some((oldest, at)) = noted.order.pop_front() else { return };
            if noted.at.get(&oldest) == Some(&at) {
                noted.at.remove(&oldest);
            }
        }
    }
}
