//! The head of the stream a writer appends to.

use wire::event::{Frame, Header, Kind};
use wire::hash::{CommandId, Hash32, PlateTag};
use wire::position::{Position, StreamId};

/// The frame does not follow the head.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event does not follow the head at seq {head}")]
pub struct NotNext {
    /// The head's seq.
    pub head: u64,
}

/// The end of the writer's own stream: every append is conditional on the stored head being this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The stream.
    pub stream: StreamId,
    /// Its last seq; 0 before the first append.
    pub seq: u64,
    /// The hash at `seq`; zero before the first append.
    pub hash: Hash32,
}

impl Head {
    /// The head of a stream nothing was appended to yet.
    pub fn start(stream: StreamId) -> Self {
        Self { stream, seq: 0, hash: Hash32::default() }
    }

    /// The header of the next event: gapless seq, linked to the event before.
    pub fn next(
        &self,
        kind: Kind,
        occurred_at: i64,
        command_id: Option<CommandId>,
        opening: Option<Position>,
        plate_tag: Option<PlateTag>,
    ) -> Header {
        Header {
            kind,
            position: Position { stream: self.stream.clone(), seq: self.seq + 1 },
            occurred_at,
            prev_hash: self.hash,
            command_id,
            opening,
            plate_tag,
        }
    }

    /// Moves on to a frame just written. Errors: [`NotNext`]; the head stays.
    pub fn advance(&mut self, frame: &Frame) -> Result<(), NotNext> {
        let h = frame.header();
        if h.position.stream != self.stream || h.position.seq != self.seq + 1 || h.prev_hash != self.hash {
            return Err(NotNext { head: self.seq });
        }
        (self.seq, self.hash) = (h.position.seq, frame.hash());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use wire::id::{CentralId, Incarnation};

    use super::*;

    #[test]
    fn a_stream_grows_gapless_and_linked() {
        let stream = StreamId { central: CentralId::new("central-1").unwrap(), incarnation: Incarnation(7) };
        let mut head = Head::start(stream);
        let mut prev = Hash32::default();
        for seq in 1..=3 {
            let h = head.next(Kind::PolicySet, 5, None, None, None);
            assert_eq!((h.position.seq, h.prev_hash), (seq, prev));
            let frame = Frame::write(h, &[0; 16], b"{}").unwrap();
            let stale = head.clone();
            head.advance(&frame).unwrap();
            assert_eq!(head.advance(&frame), Err(NotNext { head: seq }));
            assert_ne!(stale, head);
            prev = frame.hash();
        }
    }
}
