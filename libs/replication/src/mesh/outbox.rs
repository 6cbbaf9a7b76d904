//! What waits to be sent on one link: beats, then control, then live events, then pages.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use wire::bus::events::Carried;
use wire::mesh::{BadMessage, Message};

use super::event::Limits;
use crate::link::{Drop, Queue};

/// One `EVENTS` message holds so many bytes of events at most.
const MAX_EVENTS_BYTES: usize = 200 * 1024;
const MAX_EVENTS: usize = 1024;
/// What an event takes in a message beside its frame: trace context, time, lengths.
pub(super) const EVENT_EXTRA: usize = 48;

/// Live events that leave together: encoded once, however many links they go out on.
#[derive(Debug, Default)]
pub struct Batch {
    events: Vec<Carried>,
    plain: OnceLock<Result<Bytes, BadMessage>>,
    packed: OnceLock<Result<Bytes, BadMessage>>,
}

impl Batch {
    /// Events in as few batches as their bounds allow.
    pub(super) fn of(events: Vec<Carried>) -> Vec<Arc<Self>> {
        let mut out: Vec<Self> = Vec::new();
        let mut bytes = 0;
        for e in events {
            bytes += e.frame.len() + EVENT_EXTRA;
            match out.last_mut() {
                Some(last) if bytes <= MAX_EVENTS_BYTES && last.events.len() < MAX_EVENTS => {
                    last.events.push(e)
                }
                _ => {
                    bytes = e.frame.len() + EVENT_EXTRA;
                    out.push(Self { events: vec![e], ..Self::default() });
                }
            }
        }
        out.into_iter().map(Arc::new).collect()
    }

    fn joined(all: &[Arc<Self>]) -> Self {
        Self { events: all.iter().flat_map(|b| b.events.iter().cloned()).collect(), ..Self::default() }
    }

    pub(super) fn newest(&self) -> Option<&Carried> {
        self.events.last()
    }

    fn bytes(&self) -> usize {
        self.events.iter().map(|e| e.frame.len() + EVENT_EXTRA).sum()
    }

    fn encoded(&self, compact: bool) -> Result<Bytes, BadMessage> {
        let plain = || self.plain.get_or_init(|| Ok(Message::encode_events(&self.events)?.into())).clone();
        if compact {
            self.packed.get_or_init(|| Ok(Message::pack_events(&plain()?).into())).clone()
        } else {
            plain()
        }
    }
}

impl PartialEq for Batch {
    fn eq(&self, other: &Self) -> bool {
        self.events == other.events
    }
}

impl Eq for Batch {}

/// What to send next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// An encoded message.
    Message(Bytes),
    /// Live events for one message.
    Live {
        /// The events.
        batches: Vec<Arc<Batch>>,
        /// The peer reads packed ones.
        compact: bool,
    },
    /// Nothing more: say why and close.
    End(String),
}

impl Next {
    /// The encoded message. The reason when it is the end. Errors: a value that cannot be encoded at all.
    pub fn encode(self) -> Result<Result<Bytes, String>, BadMessage> {
        Ok(match self {
            Next::Message(bytes) => Ok(bytes),
            Next::Live { batches, compact } => Ok(match &batches[..] {
                [one] => one.encoded(compact)?,
                several => Batch::joined(several).encoded(compact)?,
            }),
            Next::End(reason) => Err(reason),
        })
    }
}

/// The queues of one link.
#[derive(Debug)]
pub(super) struct Outbox {
    beats: Queue<Bytes>,
    control: Queue<Bytes>,
    live: Queue<Arc<Batch>>,
    backlog: Queue<Bytes>,
    compact: bool,
    end: Option<String>,
}

impl Outbox {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            beats: Queue::new("beats", 32, 16 * 1024, Drop::Oldest),
            control: Queue::new("control", limits.control, 4 * 1024 * 1024, Drop::Oldest),
            live: Queue::new("live", limits.live, 2 * 1024 * 1024, Drop::Oldest),
            backlog: Queue::new("backlog", limits.pages, 4 * 1024 * 1024, Drop::Newest),
            compact: false,
            end: None,
        }
    }

    /// The peer reads packed events, or not.
    pub(super) fn speak(&mut self, compact: bool) {
        self.compact = compact;
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

    /// Live events; `before`: how many older ones there would have been, had there been room.
    pub(super) fn live(&mut self, batches: &[Arc<Batch>], before: usize) {
        if self.end.is_none() {
            self.live.drop_before(before);
            for b in batches {
                self.live.push_several(b.events.len(), b.bytes(), b.clone());
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
        let batches = self.live.pop_many(MAX_EVENTS, MAX_EVENTS_BYTES);
        if !batches.is_empty() {
            return Some(Next::Live { batches, compact: self.compact });
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
    pub(super) fn waiting(&self) -> ([usize; 4], Option<&Carried>) {
        let counts = [self.beats.len(), self.control.len(), self.live.len(), self.backlog.len()];
        (counts, self.live.newest().and_then(|b| b.newest()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox() -> Outbox {
        Outbox::new(&Limits::default())
    }

    fn batch(n: u8) -> Arc<Batch> {
        Batch::of(vec![Carried { trace: None, committed_at: 0, frame: vec![n; 100] }]).remove(0)
    }

    fn message(n: u8) -> Bytes {
        Bytes::from(vec![n])
    }

    fn order(mut o: Outbox) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            match o.pop() {
                Some(Next::Message(m)) => seen.push(format!("m{}", m[0])),
                Some(Next::Live { batches, .. }) => seen.push(format!("live{}", batches.len())),
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
        o.live(&[batch(1), batch(2)], 0);
        o.message(message(2));
        o.live(&[batch(3)], 0);
        o.beat(message(1));
        o.drain("done");
        o.message(message(9));
        assert_eq!(order(o), ["m1", "m2", "live3", "m6", "done"]);
    }

    #[test]
    fn an_end_throws_the_rest_away() {
        let mut o = outbox();
        o.live(&[batch(1)], 0);
        o.end("cut");
        assert_eq!(order(o), ["cut"]);
    }

    #[test]
    fn a_message_of_events_fits_a_frame() {
        let mut o = outbox();
        let big = Carried {
            trace: Some(wire::bus::trace::TraceContext {
                trace_id: [255; 16],
                span_id: [255; 8],
                flags: 255,
            }),
            committed_at: i64::MAX,
            frame: vec![255; wire::event::MAX_FRAME_BYTES],
        };
        let batches = Batch::of(vec![big; 20]);
        assert!(batches.len() > 1 && batches[0].events.len() > 1);
        o.live(&batches, 0);
        let Some(Next::Live { batches, .. }) = o.pop() else { panic!("live events first") };
        let bytes = Next::Live { batches, compact: false }.encode().unwrap().unwrap();
        assert!(bytes.len() <= wire::mesh::MAX_FRAME_BYTES);
    }

    #[test]
    fn what_is_encoded_once_reads_the_same_for_every_peer() {
        let batches = vec![batch(1), batch(2)];
        let read = |compact| {
            let next = Next::Live { batches: batches.clone(), compact };
            Message::decode(&next.encode().unwrap().unwrap()).unwrap()
        };
        assert_eq!(read(true), read(false));
        let (plain, packed) = (batches[0].encoded(false).unwrap(), batches[0].encoded(true).unwrap());
        assert!(packed.len() < plain.len());
        assert_eq!(batches[0].encoded(true).unwrap().as_ptr(), packed.as_ptr(), "once");
    }
}
