//! How far ranges have been read.

use std::collections::VecDeque;

use wire::event::Frame;
use wire::position::{Position, SeqRange};

/// Ranges of one question to the store at most.
const AT_ONCE: usize = 256;

/// Ranges that are read piece by piece, each event once.
#[derive(Debug)]
pub struct Cursor {
    remaining: VecDeque<SeqRange>,
    asked: usize,
}

impl Cursor {
    /// Nothing read yet.
    pub fn new(ranges: Vec<SeqRange>) -> Self {
        Self { remaining: ranges.into(), asked: 0 }
    }

    /// What to read next, in order; none when everything was.
    pub fn ask(&mut self) -> Option<Vec<SeqRange>> {
        self.asked = self.remaining.len().min(AT_ONCE);
        (self.asked > 0).then(|| self.remaining.iter().take(self.asked).cloned().collect())
    }

    /// What was read, from the front; `more` says that a bound of the reader ended it. Returns the events to use now: all but those
    /// at the last position where a bound was hit, because the other branches of a fork may not have come with them. They are read
    /// again.
    pub fn read(&mut self, mut frames: Vec<Frame>, more: bool) -> Vec<Frame> {
        if !more {
            self.remaining.drain(..self.asked);
            return frames;
        }
        let Some(last) = frames.last().map(|f| f.header().position.clone()) else {
            // A reader that brings nothing and promises more would be asked for ever.
            self.remaining.drain(..self.asked);
            return frames;
        };
        let whole = frames.iter().take_while(|f| f.header().position != last).count();
        let from = if whole > 0 {
            frames.truncate(whole);
            last.seq
        } else {
            last.seq.saturating_add(1)
        };
        self.go_to(&last, from);
        frames
    }

    fn go_to(&mut self, at: &Position, from: u64) {
        while let Some(r) = self.remaining.front_mut() {
            if r.stream == at.stream && (r.from..=r.to).contains(&at.seq) {
                r.from = from;
                if r.is_empty() {
                    self.remaining.pop_front();
                }
                return;
            }
            self.remaining.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use wire::event::{Header, Kind};
    use wire::hash::Hash32;
    use wire::id::{CentralId, Incarnation};
    use wire::position::StreamId;

    use super::*;

    fn stream(n: u8) -> StreamId {
        StreamId { central: CentralId::new(&format!("central-{n}")).unwrap(), incarnation: Incarnation(1) }
    }

    fn event(n: u8, seq: u64, body: &str) -> Frame {
        let header = Header {
            kind: Kind::PolicySet,
            position: Position { stream: stream(n), seq },
            occurred_at: 0,
            prev_hash: Hash32::default(),
            command_id: None,
            opening: None,
            plate_tag: None,
        };
        Frame::write(header, &[0; 16], body.as_bytes()).unwrap()
    }

    /// A store that gives at most so many events at once.
    fn answer(log: &[Frame], asked: &[SeqRange], most: usize) -> (Vec<Frame>, bool) {
        let of = |r: &SeqRange| {
            let r = r.clone();
            log.iter().filter(move |f| {
                f.header().position.stream == r.stream && (r.from..=r.to).contains(&f.header().position.seq)
            })
        };
        let all: Vec<Frame> = asked.iter().flat_map(of).cloned().collect();
        let more = all.len() > most;
        (all.into_iter().take(most).collect(), more)
    }

    #[test]
    fn every_event_once_and_every_branch_of_a_fork() {
        let mut log: Vec<Frame> = (1..=20).map(|s| event(1, s, "a")).collect();
        log.insert(5, event(1, 5, "b"));
        log.insert(12, event(1, 11, "b"));
        log.insert(13, event(1, 11, "c"));
        log.extend((1..=300).map(|s| event(2, s * 2, "a")));
        let mut ranges = vec![SeqRange { stream: stream(1), from: 1, to: 20 }];
        ranges.extend((1..=300).map(|s| SeqRange { stream: stream(2), from: s * 2, to: s * 2 }));
        // Three branches at one position need a reader that can give three and the next.
        for most in 4..40 {
            let mut cursor = Cursor::new(ranges.clone());
            let mut got = Vec::new();
            while let Some(asked) = cursor.ask() {
                let (frames, more) = answer(&log, &asked, most);
                got.extend(cursor.read(frames, more));
            }
            assert_eq!(got, log, "{most} at once");
        }
    }

    #[test]
    fn a_reader_of_single_events_and_one_that_only_promises_come_to_an_end() {
        let log: Vec<Frame> = (1..=9).map(|s| event(1, s, "a")).collect();
        let mut cursor = Cursor::new(vec![SeqRange { stream: stream(1), from: 1, to: 9 }]);
        let mut got = Vec::new();
        while let Some(asked) = cursor.ask() {
            let (frames, more) = answer(&log, &asked, 1);
            got.extend(cursor.read(frames, more));
        }
        assert_eq!(got, log);
        let mut cursor = Cursor::new(vec![SeqRange { stream: stream(1), from: 1, to: 9 }]);
        cursor.ask();
        assert_eq!(cursor.read(Vec::new(), true), []);
        assert_eq!(cursor.ask(), None);
    }
}
