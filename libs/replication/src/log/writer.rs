//! The writer's place in the log: what it committed last, and the stream it appends to.
//!
//! An incarnation begins with the first append after the writer lock was taken and ends with that connection. It is drawn by
//! the caller, never derived from what is stored: a restored or copied disk holds the old one, and must not go on in it.

use wire::hash::Hash32;
use wire::id::{CentralId, Incarnation};
use wire::position::StreamId;

use super::Head;

/// What a writer committed last. Every append is conditional on the stored head being this one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WriterHead {
    /// The incarnation of the last append.
    pub incarnation: Option<Incarnation>,
    /// Its seq.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash32,
    /// The highest arrival number given.
    pub arrival: i64,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Writer {
    central: CentralId,
    committed: WriterHead,
    own: Option<Head>,
}

impl Writer {
    /// The lock was taken and this head was read. Nothing was appended under it yet, so there is no stream.
    pub fn take_over(central: CentralId, stored: WriterHead) -> Self {
        Self { central, committed: stored, own: None }
    }

    /// What was committed last.
    pub fn committed(&self) -> &WriterHead {
        &self.committed
    }

    /// True once something was appended in the stream it appends to now.
    pub fn has_stream(&self) -> bool {
        self.own.is_some()
    }

    /// The head to append to. `fresh` draws an incarnation for the first append.
    pub fn head(&mut self, fresh: impl FnOnce() -> Incarnation) -> &mut Head {
        let central = &self.central;
        self.own
            .get_or_insert_with(|| Head::start(StreamId { central: central.clone(), incarnation: fresh() }))
    }

    /// The head that a commit of everything appended so far stores; `arrival` is the highest number given.
    pub fn next(&self, arrival: i64) -> WriterHead {
        let arrival = arrival.max(self.committed.arrival);
        match &self.own {
            Some(own) if own.seq > 0 => WriterHead {
                incarnation: Some(own.stream.incarnation),
                seq: own.seq,
                hash: own.hash,
                arrival,
            },
            _ => WriterHead { arrival, ..self.committed },
        }
    }

    /// The commit went through.
    pub fn moved_to(&mut self, head: WriterHead) {
        self.committed = head;
    }

    /// An event came in that somebody else wrote to this stream. When it is the one this writer appends to, a machine was copied
    /// with its memory: both branches stand, and this writer goes on in a new incarnation. True then.
    pub fn written_elsewhere(&mut self, stream: &StreamId) -> bool {
        let ours = self.own.as_ref().is_some_and(|h| h.stream == *stream);
        if ours {
            self.own = None;
        }
        ours
    }
}

#[cfg(test)]
mod tests {
    use wire::event::{Frame, Kind};

    use super::*;

    #[test]
    fn an_incarnation_lasts_from_the_first_append_until_somebody_else_writes_to_it() {
        let central = CentralId::new("central-1").unwrap();
        let stored =
            WriterHead { incarnation: Some(Incarnation(1)), seq: 9, hash: Hash32([9; 32]), arrival: 20 };
        let mut w = Writer::take_over(central, stored);
        assert_eq!((w.has_stream(), w.next(25)), (false, WriterHead { arrival: 25, ..stored }));
        let head = w.head(|| Incarnation(2));
        let header = head.next(Kind::PolicySet, 5, None, None, None);
        let frame = Frame::write(header, &[0; 16], b"{}").unwrap();
        head.advance(&frame).unwrap();
        let next = w.next(21);
        assert_eq!(
            (next.incarnation, next.seq, next.hash, next.arrival),
            (Some(Incarnation(2)), 1, frame.hash(), 21)
        );
        assert_eq!(*w.committed(), stored);
        w.moved_to(next);
        let own = w.head(|| Incarnation(3)).stream.clone();
        assert_eq!(own.incarnation, Incarnation(2));
        assert!(!w.written_elsewhere(&StreamId { incarnation: Incarnation(1), ..own.clone() }));
        assert!(w.written_elsewhere(&own));
        assert_eq!(w.next(21), next);
        assert_eq!(w.head(|| Incarnation(4)).seq, 0);
    }
}
