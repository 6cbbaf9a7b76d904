//! What waits to be sent on one link: beats, then control, then live events, then pages.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use wire::bus::events::Carried;

use replication::link::{Drop, Queue};

/// One `EVENTS` message holds so many bytes of events at most.
const MAX_EVENTS_BYTES: usize = 200 * 1024;
const MAX_EVENTS: usize = 1024;
/// What an event takes in a message beside its frame: trace context, time, lengths.
const EVENT_EXTRA: usize = 48;

/// What to send next.
#[derive(Debug)]
pub(super) enum Next {
    /// An encoded message.
    Message(Vec<u8>),
    /// Live events for one message.
    Live(Vec<Arc<Carried>>),
    /// Nothing more: say why and close.
    End(String),
}

#[derive(Debug)]
struct Inner {
    beats: Queue<Vec<u8>>,
    control: Queue<Vec<u8>>,
    live: Queue<Arc<Carried>>,
    backlog: Queue<Vec<u8>>,
    end: Option<String>,
}

/// The queues of one link; one writer empties them.
#[derive(Debug)]
pub(crate) struct Outbox {
    inner: Mutex<Inner>,
    wake: Notify,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self {
            inner: Mutex::new(Inner {
                beats: Queue::new("beats", 32, 16 * 1024, Drop::Oldest),
                control: Queue::new("control", 256, 4 * 1024 * 1024, Drop::Oldest),
                live: Queue::new("live", 4096, 2 * 1024 * 1024, Drop::Oldest),
                backlog: Queue::new("backlog", 32, 4 * 1024 * 1024, Drop::Newest),
                end: None,
            }),
            wake: Notify::new(),
        }
    }

    fn with(&self, change: impl FnOnce(&mut Inner)) {
        let mut inner = self.lock();
        if inner.end.is_none() {
            change(&mut inner);
            drop(inner);
            self.wake.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn beat(&self, message: Vec<u8>) {
        self.with(|i| i.beats.push(message.len(), message));
    }

    pub(super) fn control(&self, message: Vec<u8>) {
        self.with(|i| i.control.push(message.len(), message));
    }

    pub(super) fn backlog(&self, message: Vec<u8>) {
        self.with(|i| i.backlog.push(message.len(), message));
    }

    pub(super) fn live(&self, events: &[Arc<Carried>]) {
        self.with(|i| {
            for e in events {
                i.live.push(e.frame.len() + EVENT_EXTRA, e.clone());
            }
        });
    }

    /// Ends the link once everything queued is sent; nothing more is taken.
    pub(super) fn drain(&self, reason: &str) {
        self.with(|i| i.end = Some(reason.to_owned()));
    }

    /// Ends the link; what is queued is thrown away.
    pub(super) fn end(&self, reason: &str) {
        {
            let mut i = self.lock();
            i.beats.clear();
            i.control.clear();
            i.live.clear();
            i.backlog.clear();
            i.end.get_or_insert_with(|| reason.to_owned());
        }
        self.wake.notify_one();
    }

    fn pop(&self) -> Option<Next> {
        let mut i = self.lock();
        if let Some(m) = i.beats.pop().or_else(|| i.control.pop()) {
            return Some(Next::Message(m));
        }
        let events = i.live.pop_many(MAX_EVENTS, MAX_EVENTS_BYTES);
        if !events.is_empty() {
            return Some(Next::Live(events));
        }
        if let Some(m) = i.backlog.pop() {
            return Some(Next::Message(m));
        }
        i.end.clone().map(Next::End)
    }

    /// Waits for the next thing to send. One caller only.
    pub(super) async fn next(&self) -> Next {
        loop {
            if let Some(next) = self.pop() {
                return next;
            }
            self.wake.notified().await;
        }
    }

    /// What each queue dropped since the last call.
    pub(super) fn take_dropped(&self) -> Vec<(&'static str, u64)> {
        let mut i = self.lock();
        let all = [
            i.beats.take_dropped(),
            i.control.take_dropped(),
            i.live.take_dropped(),
            i.backlog.take_dropped(),
        ];
        all.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(n: u8) -> Arc<Carried> {
        Arc::new(Carried { trace: None, committed_at: 0, frame: vec![n; 100] })
    }

    async fn order(o: &Outbox) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            match o.next().await {
                Next::Message(m) => seen.push(format!("m{}", m[0])),
                Next::Live(e) => seen.push(format!("live{}", e.len())),
                Next::End(r) => {
                    seen.push(r);
                    return seen;
                }
            }
        }
    }

    #[tokio::test]
    async fn beats_then_control_then_live_in_one_then_pages() {
        let o = Outbox::new();
        o.backlog(vec![4]);
        o.live(&[event(1), event(2)]);
        o.control(vec![2]);
        o.live(&[event(3)]);
        o.beat(vec![1]);
        o.drain("done");
        o.control(vec![9]);
        assert_eq!(order(&o).await, ["m1", "m2", "live3", "m4", "done"]);
    }

    #[tokio::test]
    async fn an_end_throws_the_rest_away() {
        let o = Outbox::new();
        o.live(&[event(1)]);
        o.end("cut");
        assert_eq!(order(&o).await, ["cut"]);
    }

    #[tokio::test]
    async fn a_message_of_events_fits_a_frame() {
        let o = Outbox::new();
        let big = Arc::new(Carried {
            trace: Some(wire::bus::trace::TraceContext {
                trace_id: [255; 16],
                span_id: [255; 8],
                flags: 255,
            }),
            committed_at: i64::MAX,
            frame: vec![255; wire::event::MAX_FRAME_BYTES],
        });
        o.live(&vec![big; 20]);
        let Next::Live(events) = o.next().await else { panic!("live events first") };
        let events: Vec<Carried> = events.iter().map(|e| Carried::clone(e)).collect();
        assert!(events.len() > 1);
        assert!(wire::mesh::Message::Events(events).encode().unwrap().len() <= wire::mesh::MAX_FRAME_BYTES);
    }
}
