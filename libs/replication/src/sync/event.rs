//! What comes out.

use wire::event::Frame;
use wire::id::CentralId;
use wire::mesh::Message;
use wire::position::{SeqRange, StreamId};

use crate::catchup::Cause;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send a message to one peer, or to every connected one.
    Send {
        /// The peer.
        to: Option<CentralId>,
        /// The message.
        message: Message,
    },
    /// Read a page of the own holdings → [`super::Sync::holdings_page`].
    ReadHoldings {
        /// Number of the request.
        request: u64,
        /// The last stream of the page before.
        after: Option<StreamId>,
    },
    /// Read events → [`super::Sync::ranges_read`].
    ReadRanges {
        /// Number of the request.
        request: u64,
        /// The ranges, in order.
        ranges: Vec<SeqRange>,
        /// At most so many events.
        max_events: u64,
    },
    /// Have events stored behind the live ones, in one transaction → [`super::Sync::applied`].
    Apply {
        /// Number of the request.
        request: u64,
        /// The peer they came through.
        peer: CentralId,
        /// The events.
        frames: Vec<Frame>,
    },
    /// Tell everyone in this central how complete it is.
    Publish,
    /// Something happened that people may want to read.
    Note(Note),
}

/// For logs and figures.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "a variant says what its fields are")]
pub enum Note {
    /// Nothing was heard of mesh: no link is believed to be up.
    MeshSilent,
    /// The own holdings were read, all of them.
    Read,
    /// The own holdings could not be read; said once until it works again.
    NotRead { reason: String },
    /// Maps differ and nothing moves.
    Stalled(Cause),
    /// The stall is over.
    Moving,
    /// A page was stored; so many of its events were new.
    Stored { peer: CentralId, events: u64 },
    /// A page was not stored, it is asked for again.
    NotStored { peer: CentralId, reason: String },
    /// Events of a page are out of the ordinary.
    Unusual { peer: CentralId, poison: u32, forks: u32, refused: u32 },
    /// A page nobody asked for was left.
    Unasked { peer: CentralId },
    /// A page of a peer cannot be read.
    BadPage { peer: CentralId, reason: String },
    /// A request of a peer was answered with so many pages and events.
    Answered { peer: CentralId, pages: u32, events: u64 },
    /// A request of a peer could not be answered in full.
    NotAnswered { peer: CentralId, reason: String },
    /// A request of a peer found its queue full and was left: the peer asks again.
    RequestLeft { peer: CentralId },
}
