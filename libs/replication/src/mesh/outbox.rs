//! What waits to be sent on one link: beats, then control, then live events, then pages.

use std::sync::Arc;

use bytes::Bytes;
use wire::bus::events::Carried;
use wire::mesh::Message;

use super::event::Limits;
use crate::link::{Drop, Queue};

/// One `EVENTS` message holds so many bytes of events at most.
const MAX_EVENTS_BYTES: usize = 200 * 1024;
const MAX_EVENTS: usize = 1024;
/// What an event takes in a message beside its frame: trace context, time, lengths.
pub(super) const EVENT_EXTRA: usize = 48;

/// What to send next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// An encoded message.
    Message(Bytes),
    /// Live events for one message.
    Live(Vec<Arc<Carried>>),
    /// Nothing more: say why and close.
    End(String),
}

impl Next {
    /// The encoded message. The reason when it is the end. Errors: a value that cannot be encoded at all.
    pub fn encode(self) -> Result<Result<Bytes, String>, wire::mesh::BadMessage> {
        Ok(match self {
            Next::Message(bytes) => Ok(bytes),
            Next::Live(events) => {
                let events = events.into_iter().map(Arc::unwrap_or_clone).collect();
                Ok(Message::Events(events).encode()?.into())
            }
            Next::End(reason) => Err(reason),
        })
    }
}

/// The queues of one link.
#[derive(Debug)]
pub(super) struct Outbox {
    beats: Queue<Bytes>,
    control: Queue<Bytes>,
    live: Queue<Arc<Carried>>,
    backlog: Queue<Bytes>,
    end: Option<String>,
}

impl Outbox {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            beats: Queue::new("beats", 32, 16 * 1024, Drop::Oldest),
            control: Queue::new("control", limits.control, 4 * 1024 * 1024, Drop::Oldest),
            live: Queue::new("live", limits.live, 2 * 1024 * 1024, Drop::Oldest),
            backlog: Queue::new("backlog", limits.pages, 4 * 1024 * 1024, Drop::Newest),
            end: None,
        }
    }

    pub(super) fn beat(&mut self, message: Bytes) {
        if self.end.is_none() {
            self.beats.push(message.len(), message);
        }
    }

    /// A message; pages wait behind everything else.
    pub(super) fn message(&mut self, message: Bytes) {
        if self.end.is_some() {
            return;
        }
        let queue = if Message::is_bulk(&message) { &mut self.backlog } else { &mut self.control };
        queue.push(message.len(), message);
    }

    pub(super) fn live(&mut self, events: &[Arc<Carried>]) {
        if self.end.is_none() {
            for e in events {
                self.live.push(e.frame.len() + EVENT_EXTRA, e.clone());
            }
        }
    }

    /// Ends the link once everything queued is sent; nothing more is taken.
    pub(super) fn drain(&mut self, reason: &str) {
        self.end.get_or_insert_with(|| reason.to_owned());
    }

    /// Ends the link; what is queued is thrown away.
    pub(super) fn end(&mut self, reason: &str) {
        self.beats.clear();
        self.control.clear();
        self.live.clear();
        self.backlog.clear();
        self.drain(reason);
    }

    pub(super) fn pop(&mut self) -> Option<Next> {
        if let Some(m) = self.beats.pop().or_else(|| self.control.pop()) {
            return Some(Next::Message(m));
        }
        let events = self.live.pop_many(MAX_EVENTS, MAX_EVENTS_BYTES);
        if !events.is_empty() {
            return Some(Next::Live(events));
        }
        if let Some(m) = self.backlog.pop() {
            return Some(Next::Message(m));
        }
        self.end.clone().map(Next::End)
    }

    /// What each queue dropped since the last call.
    pub(super) fn take_dropped(&mut self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        let all = [
            self.beats.take_dropped(),
            self.control.take_dropped(),
            self.live.take_dropped(),
            self.backlog.take_dropped(),
        ];
        all.into_iter().flatten()
    }

    /// How many wait in each queue, and the newest live event.
    pub(super) fn waiting(&self) -> ([usize; 4], Option<&Arc<Carried>>) {
        let counts = [self.beats.len(), self.control.len(), self.live.len(), self.backlog.len()];
        (counts, self.live.newest())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox() -> Outbox {
        Outbox::new(&Limits::default())
    }

    fn event(n: u8) -> Arc<Carried> {
        Arc::new(Carried { trace: None, committed_at: 0, frame: vec![n; 100] })
    }

    fn message(n: u8) -> Bytes {
        Bytes::from(vec![n])
    }

    fn order(mut o: Outbox) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            match o.pop() {
                Some(Next::Message(m)) => seen.push(format!("m{}", m[0])),
                Some(Next::Live(e)) => seen.push(format!("live{}", e.len())),
                Some(Next::End(r)) => {
                    seen.push(r);
                    return seen;
                }
                None => return seen,
            }
        }
    }

    #[test]
    fn beats_then_control_then_live_in_one_then_pages() {
        let mut o = outbox();
        // 6 is a page.
        o.message(message(6));
        o.live(&[event(1), event(2)]);
        o.message(message(2));
        o.live(&[event(3)]);
        o.beat(message(1));
        o.drain("done");
        o.message(message(9));
        assert_eq!(order(o), ["m1", "m2", "live3", "m6", "done"]);
    }

    #[test]
    fn an_end_throws_the_rest_away() {
        let mut o = outbox();
        o.live(&[event(1)]);
        o.end("cut");
        assert_eq!(order(o), ["cut"]);
    }

    #[test]
    fn a_message_of_events_fits_a_frame() {
        let mut o = outbox();
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
        let Some(Next::Live(events)) = o.pop() else { panic!("live events first") };
        assert!(events.len() > 1);
        let bytes = Next::Live(events).encode().unwrap().unwrap();
        assert!(bytes.len() <= wire::mesh::MAX_FRAME_BYTES);
    }
}
