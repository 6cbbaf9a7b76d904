//! Answering a peer's request: how far the answer has come, and what is to be read next.

use std::collections::BTreeMap;

use wire::event::Frame;
use wire::mesh::SyncRequest;
use wire::position::{SeqRange, StreamId};

use super::event::Brought;
use crate::positions::MAX_SEQ;
use crate::positions::ranges::{Range, normalise, subtract};

/// Ranges of one request that are looked at; whoever asks for more asks again.
const MAX_RANGES: usize = 256;
/// Ranges named as not held at most.
const MAX_NOT_HELD: usize = 1000;

/// An answer under way.
///
/// It ends when everything asked for was looked up, or when its bounds are reached. Ranges it then neither brought nor named as
/// not held are simply asked for again: no answer is too large for one of the links or for the memory of either side.
#[derive(Debug)]
pub struct Answer {
    id: u64,
    asked: Vec<SeqRange>,
    remaining: Vec<SeqRange>,
    brought: BTreeMap<StreamId, Vec<Range>>,
    events_left: u64,
    pages_left: u32,
}

impl Answer {
    /// An answer to this request with at most so many events and pages.
    pub fn new(request: SyncRequest, max_events: u32, max_pages: u32) -> Self {
        let mut asked = request.ranges;
        asked.truncate(MAX_RANGES);
        for r in &mut asked {
            r.to = r.to.min(MAX_SEQ);
        }
        asked.retain(|r| r.from >= 1 && !r.is_empty());
        Self {
            id: request.id,
            remaining: asked.clone(),
            asked,
            brought: BTreeMap::new(),
            events_left: u64::from(request.max_events.min(max_events)),
            pages_left: max_pages,
        }
    }

    /// The request's number.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// What to read next, in order, and how many events at most; none when the answer is complete.
    pub fn next(&self) -> Option<(&[SeqRange], u64)> {
        let open = !self.remaining.is_empty() && self.events_left > 0 && self.pages_left > 0;
        open.then_some((&self.remaining[..], self.events_left))
    }

    /// A page with these events goes out. False when the answer has no room for another one.
    pub fn sent(&mut self, brought: &[Brought]) -> bool {
        for b in brought {
            self.brought.entry(b.range.stream.clone()).or_default().push((b.range.from, b.range.to));
            self.events_left = self.events_left.saturating_sub(b.range.len());
        }
        self.pages_left = self.pages_left.saturating_sub(1);
        self.pages_left > 0
    }

    /// What was read ends at the last of `brought` when `more` is held, else everything that remained was looked up.
    pub fn read_to(&mut self, brought: &[Brought], more: bool) {
        let Some(last) = brought.last().filter(|_| more) else {
            if !more {
                self.remaining.clear();
            } else {
                // A reader that brings nothing and promises more would be asked for ever.
                self.events_left = 0;
            }
            return;
        };
        let (stream, seq) = (&last.range.stream, last.range.to);
        let here = self.remaining.iter().position(|r| r.stream == *stream && (r.from..=r.to).contains(&seq));
        let Some(here) = here else {
            self.events_left = 0;
            return;
        };
        self.remaining.drain(..here);
        if let Some(r) = self.remaining.first_mut() {
            r.from = seq.saturating_add(1);
            if r.is_empty() {
                self.remaining.remove(0);
            }
        }
    }

    /// Ranges that were looked up and are not held, at most a thousand.
    pub fn not_held(&self) -> Vec<SeqRange> {
        let mut out = Vec::new();
        for r in &self.asked {
            let open: Vec<Range> =
                self.remaining.iter().filter(|o| o.stream == r.stream).map(|o| (o.from, o.to)).collect();
            let brought = self.brought.get(&r.stream).cloned().unwrap_or_default();
            let known = normalise(brought.into_iter().chain(open).collect(), u64::MAX);
            for (from, to) in subtract(&[(r.from, r.to)], &known) {
                if out.len() < MAX_NOT_HELD {
                    out.push(SeqRange { stream: r.stream.clone(), from, to });
                }
            }
        }
        out
    }
}

/// The runs of positions that these events are.
pub fn runs(frames: &[Frame]) -> Vec<Brought> {
    let mut out: Vec<Brought> = Vec::new();
    for f in frames {
        let h = f.header();
        let at = &h.position;
        match out.last_mut() {
            // The branches of a fork stand side by side.
            Some(b) if b.range.stream == at.stream && at.seq == b.range.to => {}
            Some(b) if b.range.stream == at.stream && Some(at.seq) == b.range.to.checked_add(1) => {
                b.range.to = at.seq;
                b.newest_at = h.occurred_at;
            }
            _ => out.push(Brought {
                range: SeqRange { stream: at.stream.clone(), from: at.seq, to: at.seq },
                newest_at: h.occurred_at,
            }),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use wire::id::{CentralId, Incarnation};

    use super::*;

    fn range(n: u128, from: u64, to: u64) -> SeqRange {
        let central = CentralId::new("central-1").unwrap();
        SeqRange { stream: StreamId { central, incarnation: Incarnation(n) }, from, to }
    }

    fn brought(range: SeqRange) -> Vec<Brought> {
        vec![Brought { range, newest_at: 0 }]
    }

    fn answer(ranges: Vec<SeqRange>) -> Answer {
        Answer::new(SyncRequest { id: 4, ranges, max_events: 50 }, 1000, 3)
    }

    #[test]
    fn goes_on_after_the_last_event_and_names_what_is_not_held() {
        let mut a = answer(vec![range(1, 1, 20), range(2, 5, 9), range(2, 0, 3), range(3, 9, 2)]);
        assert_eq!(a.next().unwrap(), (&[range(1, 1, 20), range(2, 5, 9)][..], 50));
        let first = brought(range(1, 11, 15));
        assert!(a.sent(&first));
        a.read_to(&first, true);
        assert_eq!(a.next().unwrap(), (&[range(1, 16, 20), range(2, 5, 9)][..], 45));
        assert_eq!(a.not_held(), [range(1, 1, 10)]);
        let second = brought(range(2, 5, 8));
        assert!(a.sent(&second));
        a.read_to(&second, false);
        assert_eq!(a.next(), None);
        assert_eq!(a.not_held(), [range(1, 1, 10), range(1, 16, 20), range(2, 9, 9)]);
    }

    #[test]
    fn ends_at_its_bounds_without_denying_the_rest() {
        let mut a = answer(vec![range(1, 1, 1000)]);
        let all = brought(range(1, 1, 50));
        a.sent(&all);
        a.read_to(&all, true);
        assert_eq!((a.next(), a.not_held()), (None, vec![]));

        let mut a = answer(vec![range(1, 1, 1000)]);
        for i in 0..3 {
            let one = brought(range(1, i + 1, i + 1));
            assert_eq!(a.sent(&one), i < 2);
            a.read_to(&one, true);
        }
        assert_eq!((a.next(), a.not_held()), (None, vec![]));

        let mut a = answer(vec![range(1, 1, 1000)]);
        a.read_to(&[], true);
        assert_eq!(a.next(), None);
    }
}
