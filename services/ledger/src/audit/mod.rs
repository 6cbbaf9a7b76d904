//! The audit: what is stored is what was written, and what the other centrals stored.
//!
//! [`pass`] goes through the log and the rows made of it, in the background and at a bounded rate: the last two days again and
//! again, the rest in rotation. What is wrong is noted with the row as it was found, and cured through the one writer
//! (`writer::repair`). [`talk`] compares sums with peers, goes down to the position where they differ, and asks holders for
//! events whose bytes are damaged here. [`view`] shows it.

mod log;
mod metrics;
mod pass;
mod rows;
mod state;
mod step;
mod talk;
mod view;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::{Notify, oneshot, watch};
use wire::alarm::AlarmNow;

use crate::queue::Lanes;
use crate::shared::Shared;
use crate::writer::WriterStatus;
use crate::writer::repair::{Done, RepairJob, Step};
use state::{Name, Open, State};

/// How long a repair may take before its outcome counts as unknown.
const REPAIR: Duration = Duration::from_secs(60);
/// Steps of one repair: bounds how long commands wait behind it.
const STEPS: usize = 32;
/// Findings that stand at most: beyond that, what is wrong is not a row but the database.
const MAX_OPEN: usize = 5_000;

/// See the module. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Auditor {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared: Shared,
    pool: PgPool,
    lanes: Arc<Lanes>,
    writer: watch::Receiver<WriterStatus>,
    metrics: metrics::Metrics,
    /// Look through the last two days now.
    kick: Notify,
    state: Mutex<State>,
    /// Milliseconds on a clock that does not go back.
    started: tokio::time::Instant,
}

impl Auditor {
    /// An auditor that has looked at nothing yet.
    pub fn new(
        shared: Shared,
        pool: PgPool,
        lanes: Arc<Lanes>,
        writer: watch::Receiver<WriterStatus>,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                shared,
                pool,
                lanes,
                writer,
                metrics: metrics::Metrics::new(),
                kick: Notify::new(),
                state: Mutex::new(State::new(rand::random())),
                started: tokio::time::Instant::now(),
            }),
        }
    }

    /// Alarms that stand.
    pub fn alarms(&self) -> Vec<AlarmNow> {
        self.state().alarms()
    }

    /// Begins: passes over the log, and the conversation with peers.
    pub fn start(&self) {
        let shutdown = &self.inner.shared.shutdown;
        let (passes, talks) = (self.clone(), self.clone());
        shutdown.spawn("audit", async move { passes.passes().await });
        shutdown.spawn("audit-talk", async move { talks.talks().await });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> i64 {
        i64::try_from(self.inner.started.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// Has findings noted and cured. What could not be done now is found again by the next pass.
    async fn cure(&self, steps: Vec<Step>) {
        let steps: Vec<Step> = {
            let s = self.state();
            let room = MAX_OPEN.saturating_sub(s.open.len());
            let known = |f: &Step| s.open.contains_key(&name(f));
            let mut fresh = 0;
            steps
                .into_iter()
                .filter(|f| {
                    let new = !known(f);
                    fresh += usize::from(new);
                    !new || fresh <= room
                })
                .collect()
        };
        for some in steps.chunks(STEPS) {
            let Some(done) = self.repair(some.to_vec(), Vec::new()).await else { return };
            self.noted(some, &done);
        }
    }

    /// Remembers what became of some steps.
    fn noted(&self, steps: &[Step], done: &[Done]) {
        let (mut found, mut repaired) = (0, 0);
        let mut s = self.state();
        for (step, d) in steps.iter().zip(done) {
            let name = name(step);
            let f = &step.finding;
            let before = s.open.remove(&name);
            if before.is_none() {
                found += 1;
                tracing::error!(what = f.what, place = %f.place, detail = %f.detail, repaired = d.repaired, "not as it was written");
            }
            if d.repaired {
                repaired += 1;
                if let Some(at) = &f.at {
                    s.wanted.remove(at);
                }
                if f.at.is_none() {
                    let pass = s.passes;
                    s.contested.entry(name).or_default().again(pass);
                }
                continue;
            }
            let since = before.map_or_else(kit::clock::now_ms, |b| b.since);
            let open = Open { id: d.id, since, detail: f.detail.clone(), at: f.at.clone(), tag: f.tag };
            if waits_for_holder(f.what)
                && let Some(at) = &f.at
            {
                s.wanted.entry(at.clone()).or_default();
            }
            s.open.insert(name, open);
        }
        drop(s);
        self.inner.metrics.found(found);
        self.inner.metrics.repaired(repaired);
    }

    /// Hands a job to the writer; none when nobody knows what became of it.
    async fn repair(&self, steps: Vec<Step>, closed: Vec<(i64, String)>) -> Option<Vec<Done>> {
        let (done, told) = oneshot::channel();
        if self.inner.lanes.repair(RepairJob { steps, closed, done }).is_err() {
            tracing::warn!("the writer has repairs waiting, the next pass tries again");
            return None;
        }
        tokio::time::timeout(REPAIR, told).await.ok()?.ok()
    }
}

/// A finding's name.
fn name(step: &Step) -> Name {
    (step.finding.what.to_owned(), step.finding.place.clone())
}

/// A finding's kind, as it was noted.
fn what(noted: &str) -> Option<&'static str> {
    ["event_bytes", "event_chain", "event_differs"].into_iter().find(|w| *w == noted)
}

/// Findings that a holder's bytes cure.
fn waits_for_holder(what: &str) -> bool {
    self::what(what).is_some()
}
