//! Reading the own holdings from the ledger, again and again.

use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::ledger::Ledger;
use crate::node::Done;
use crate::recency;

/// Between two readings, ms: nothing in memory is trusted for longer.
const EVERY_MS: i64 = 10_000;
/// After one that failed, ms.
const AGAIN_MS: i64 = 500;

/// When to read next, and whether a reading is under way.
pub(crate) struct Reading {
    ledger: Ledger,
    done: mpsc::Sender<Done>,
    tasks: TaskTracker,
    under_way: bool,
    due: i64,
    heads_read: bool,
}

impl Reading {
    pub(crate) fn new(ledger: Ledger, done: mpsc::Sender<Done>, tasks: TaskTracker) -> Self {
        Self { ledger, done, tasks, under_way: false, due: i64::MIN, heads_read: false }
    }

    /// Read as soon as possible.
    pub(crate) fn now(&mut self) {
        self.due = i64::MIN;
    }

    /// When the next one is due, ms; none while one is under way.
    pub(crate) fn due(&self) -> Option<i64> {
        (!self.under_way).then_some(self.due)
    }

    /// Begins a reading if one is due. The result comes as [`Done::Read`].
    pub(crate) fn begin(&mut self, now: i64) -> bool {
        if self.under_way || now < self.due {
            return false;
        }
        self.under_way = true;
        self.due = now + EVERY_MS;
        let (ledger, done, with_heads) = (self.ledger.clone(), self.done.clone(), !self.heads_read);
        self.tasks.spawn(async move {
            let holdings = ledger.holdings().await;
            if let Ok(all) = &holdings
                && with_heads
            {
                let ranges = recency::heads(all);
                let count = ranges.len() as u64;
                if count == 0 {
                    drop(done.send(Done::Heads(Vec::new())).await);
                } else if let Ok((frames, _)) = ledger.events(ranges, count).await {
                    drop(done.send(Done::Heads(frames)).await);
                }
            }
            drop(done.send(Done::Read(holdings)).await);
        });
        true
    }

    /// The last event of every stream is known.
    pub(crate) fn heads_known(&mut self) {
        self.heads_read = true;
    }

    /// A reading ended.
    pub(crate) fn ended(&mut self, now: i64, ok: bool) {
        self.under_way = false;
        if !ok {
            self.due = self.due.min(now + AGAIN_MS);
        }
    }
}
