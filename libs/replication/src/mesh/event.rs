//! What goes in and what comes out.

use bytes::Bytes;
use wire::bus::events::Carried;
use wire::config::PeerCentral;
use wire::hash::PlateTag;
use wire::id::CentralId;
use wire::mesh::HoldingOfYou;

use crate::alarm::Change;
use crate::clock::Level;

/// The moment of an input, by two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Monotonic, µs: everything is timed by it.
    pub us: u64,
    /// The wall clock, ms since the epoch: told to peers and people, nothing is timed by it.
    pub clock_ms: i64,
}

/// A link of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// Bounds and times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// `HEARTBEAT_INTERVAL`, ms.
    pub heartbeat_ms: u64,
    /// The state is published at least this often, ms.
    pub publish_ms: u64,
    /// Other messages waiting on one link.
    pub control: usize,
    /// Live events waiting on one link.
    pub live: usize,
    /// Pages waiting on one link.
    pub pages: usize,
    /// Live events of one peer waiting for the ledger.
    pub inbox: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { heartbeat_ms: 30_000, publish_ms: 1000, control: 256, live: 4096, pages: 32, inbox: 8192 }
    }
}

impl Limits {
    pub(super) fn heartbeat_us(&self) -> u64 {
        self.heartbeat_ms.saturating_mul(1000)
    }
}

/// A connection that can carry messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The number of the dial it came of; none when the other side dialled.
    pub dial: Option<u64>,
    /// The central its certificate names; none in plain text.
    pub certified: Option<CentralId>,
    /// The other end, for people.
    pub address: String,
    /// A test connection: HELLO and one beat, it never becomes a link.
    pub test: bool,
}

/// What the ledger said of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// Its process, random.
    pub process: String,
    /// True while it holds the writer lock.
    pub writer: bool,
    /// Version of its projection.
    pub projection_version: u32,
}

/// What HELLO needs from the ledger; empty when that is away.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HelloFacts {
    /// The peer's own streams, as held here.
    pub holding_of_you: Vec<HoldingOfYou>,
}

/// What became of a question to the peers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Found {
    /// Links asked.
    pub asked: usize,
    /// Answers in time.
    pub answered: usize,
    /// Events newly stored.
    pub stored: u32,
}

/// How a peer without a link stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlinked {
    /// Not tried to the end yet.
    Connecting,
    /// Not reachable.
    Down,
    /// It or we said no.
    Refused,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Connect to a peer.
    Dial {
        /// Number of the dial.
        dial: u64,
        /// The peer.
        peer: Box<PeerCentral>,
    },
    /// Something waits to be sent on a link.
    Wake(LinkId),
    /// Nothing that comes on this link is of interest any more.
    Close(LinkId),
    /// Read for HELLO what is held of a peer's streams → [`super::Mesh::hello_ready`].
    ReadHello {
        /// The link.
        link: LinkId,
        /// Who is greeted.
        peer: CentralId,
    },
    /// Read the digest of the position map → [`super::Mesh::digest_read`].
    ReadDigest,
    /// Have live events stored → [`super::Mesh::applied`].
    Apply {
        /// Number of the request.
        request: u64,
        /// The peer they came from.
        peer: CentralId,
        /// The events.
        events: Vec<Carried>,
    },
    /// Have the events of a page stored, ahead of any backlog → [`super::Mesh::applied`].
    ApplyPage {
        /// Number of the request.
        request: u64,
        /// The peer it came from.
        peer: CentralId,
        /// A [`wire::page`].
        page: Vec<u8>,
    },
    /// Read a vehicle's events as one page → [`super::Mesh::plate_read`].
    ReadPlate {
        /// Number of the request.
        request: u64,
        /// The vehicle.
        tag: PlateTag,
        /// At most so many.
        max_events: u32,
    },
    /// A question to the peers has come to its end.
    Found {
        /// Its number.
        question: u64,
        /// What came of it.
        found: Found,
    },
    /// A peer said something that is sync's to answer.
    ToSync {
        /// The peer.
        from: CentralId,
        /// An encoded [`wire::mesh::Message`].
        message: Bytes,
    },
    /// Tell everyone in this central how the mesh stands.
    Publish,
    /// Call [`super::Mesh::tick`] at [`super::Mesh::next_tick`], which is earlier than before.
    Timer,
    /// Something happened that people may want to read.
    Note(Note),
}

/// For logs and counters. No plates.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "a variant says what its fields are")]
pub enum Note {
    /// The configuration has a new peer.
    PeerAdded { peer: CentralId, disabled: bool },
    /// The configuration of a peer changed.
    PeerChanged { peer: CentralId, disabled: bool },
    /// A peer left the configuration.
    PeerRemoved { peer: CentralId },
    /// A peer has a link now.
    Linked { peer: CentralId, link: LinkId, process: String },
    /// A peer has lost its last link.
    Unlinked { peer: CentralId, link: LinkId, reason: String },
    /// A link was closed because its other end is silent.
    Silent { peer: CentralId, link: LinkId },
    /// A spare link is being closed.
    Spare { peer: CentralId, link: LinkId },
    /// No link came about.
    NoLink { peer: CentralId, refused: bool, reason: String },
    /// A link that was dialled from outside was refused; the peer, where its certificate names one.
    Incoming { peer: Option<CentralId>, reason: String },
    /// How far clocks differ has become better or worse.
    Skew { peer: CentralId, level: Level, skew_ms: Option<i64> },
    /// An alarm began or ended.
    Alarm(Change),
    /// Two live processes claim to be one central; of a peer, or this one.
    Clone { peer: Option<CentralId>, detail: String },
    /// And no longer.
    CloneOver { peer: Option<CentralId> },
    /// A full queue dropped something; catch-up brings it.
    Dropped { peer: CentralId, queue: &'static str, count: u64 },
    /// The peer sends messages of a later version, or unreadable ones; said once per link.
    Skipped { peer: Option<CentralId>, reason: String },
    /// Live events could not be stored; said once until it works again.
    NotApplied { peer: CentralId, reason: String },
}
