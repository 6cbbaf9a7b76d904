//! Openings that were answered `no_ledger` lately. The lane acted by itself then; when the same request comes again and is recorded,
//! it is marked as decided without ledger, with the time of the first one; a barrier that was opened then is not opened again.

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
    at: HashMap<u64, First>,
    order: VecDeque<(u64, Instant)>,
}

/// The first of a row of equal requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct First {
    noted: Instant,
    /// When it came, ms.
    pub(crate) received_at: i64,
    /// The edge's clock when it sent it, ms.
    pub(crate) sent_at: Option<i64>,
    /// The lane opened its barrier then.
    pub(crate) opened: bool,
}

impl First {
    /// Makes a repetition what it is: the same request, under way since the first one. The edge's clock is put to this sending, so
    /// that waiting is no skew; where the barrier was opened the first time, it is a late delivery.
    pub(crate) fn repeated(&self, request: &Request<'_>, command: &mut Command) {
        let Command::Open { seen, spooled, .. } = command else { return };
        let waited = request.received_at.saturating_sub(self.received_at).max(0);
        let named = request.idempotency_key.is_some() || seen.captured_at.is_some();
        *spooled |= self.opened && named;
        match (seen.captured_at, seen.sent_at) {
            (_, Some(sent)) if self.sent_at == Some(sent) => seen.sent_at = Some(sent.saturating_add(waited)),
            (None, None) if named => {
                seen.captured_at = Some(self.received_at);
                seen.sent_at = Some(request.received_at);
            }
            _ => {}
        }
    }
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

    /// The first time it came, where the lane had no answer to it.
    pub(crate) fn first(&self, name: Option<u64>) -> Option<First> {
        let noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let first = name.and_then(|name| noted.at.get(&name))?;
        (first.noted.elapsed() < REMEMBERED).then_some(*first)
    }

    /// It was answered at last.
    pub(crate) fn answered(&self, name: Option<u64>) {
        let Some(name) = name else { return };
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).at.remove(&name);
    }

    /// The lane was told to open meanwhile.
    pub(crate) fn opened(&self, name: Option<u64>) {
        let Some(name) = name else { return };
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(first) = noted.at.get_mut(&name) {
            first.opened = true;
        }
    }

    /// It was answered `no_ledger`. What came first stays what came first.
    pub(crate) fn note(&self, name: Option<u64>, received_at: i64, sent_at: Option<i64>) {
        let Some(name) = name else { return };
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if noted.at.get(&name).is_some_and(|first| first.noted.elapsed() < REMEMBERED) {
            return;
        }
        noted.at.insert(name, First { noted: now, received_at, sent_at, opened: false });
        noted.order.push_back((name, now));
        while noted.order.len() > MOST {
            let Some((oldest, at)) = noted.order.pop_front() else { return };
            if noted.at.get(&oldest).is_some_and(|f| f.noted == at) {
                noted.at.remove(&oldest);
            }
        }
    }
}
