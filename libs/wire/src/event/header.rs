//! The header: all the projection's structure needs, and all that stays when a body is erased.

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use crate::hash::{CommandId, Hash32, PlateTag};
use crate::id::{CentralId, Incarnation};
use crate::position::{Position, StreamId};

/// An event's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// What happened.
    pub kind: Kind,
    /// Where the event stands.
    pub position: Position,
    /// When it happened, ms since the epoch, as the origin decided (camera time, corrected). Ranks the event.
    pub occurred_at: i64,
    /// The hash of the event before it in its stream; zero for seq 1.
    pub prev_hash: Hash32,
    /// The request behind it, if a lane or person asked for it.
    pub command_id: Option<CommandId>,
    /// The opening it names. An opening itself names none.
    pub opening: Option<Position>,
    /// The vehicle it is about; none for events about no vehicle.
    pub plate_tag: Option<PlateTag>,
}

/// The part encoded with postcard. Field order is the format.
#[derive(Serialize, Deserialize)]
struct Fixed {
    central: CentralId,
    incarnation: Incarnation,
    seq: u64,
    occurred_at: i64,
    command_id: Option<CommandId>,
    opening: Option<OpeningRef>,
    plate_tag: Option<PlateTag>,
}

/// An opening, short where it stands in the event's own stream (the common case).
#[derive(Serialize, Deserialize)]
enum OpeningRef {
    SameStream(u64),
    Other(Position),
}

/// Bytes before the postcard part: prev_hash and kind.
pub(super) const HEAD: usize = 34;

impl Header {
    /// The header's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let fixed = Fixed {
            central: self.position.stream.central.clone(),
            incarnation: self.position.stream.incarnation,
            seq: self.position.seq,
            occurred_at: self.occurred_at,
            command_id: self.command_id,
            opening: self.opening.as_ref().map(|o| {
                if o.stream == self.position.stream {
                    OpeningRef::SameStream(o.seq)
                } else {
                    OpeningRef::Other(o.clone())
                }
            }),
            plate_tag: self.plate_tag,
        };
        let mut out = Vec::with_capacity(160);
        out.extend_from_slice(self.prev_hash.as_bytes());
        out.extend_from_slice(&self.kind.code().to_be_bytes());
        // Serialising into a growing Vec has no failing path for these types; an empty tail would fail every decode.
        postcard::to_extend(&fixed, out).unwrap_or_default()
    }

    /// Reads a header; bytes of later versions behind the known part are left alone.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let prev_hash = Hash32::from_slice(bytes.get(..32)?)?;
        let kind = Kind::from_code(u16::from_be_bytes(bytes.get(32..HEAD)?.try_into().ok()?));
        let (f, _later): (Fixed, _) = postcard::take_from_bytes(bytes.get(HEAD..)?).ok()?;
        if f.seq == 0 {
            return None;
        }
        let stream = StreamId { central: f.central, incarnation: f.incarnation };
        let opening = f.opening.map(|o| match o {
            OpeningRef::SameStream(seq) => Position { stream: stream.clone(), seq },
            OpeningRef::Other(p) => p,
        });
        Some(Self {
            kind,
            position: Position { stream, seq: f.seq },
            occurred_at: f.occurred_at,
            prev_hash,
            command_id: f.command_id,
            opening,
            plate_tag: f.plate_tag,
        })
    }
}
