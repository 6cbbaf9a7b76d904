//! What goes in and what comes out.

use std::fmt;

use wire::id::CentralId;
use wire::mesh::Message;
use wire::position::{SeqRange, StreamHoldings};

/// Bounds and times. Times are ms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Events one request may ask for (`SYNC_LIMIT`).
    pub request_events: u32,
    /// Events the first request to a peer asks for; grows to `request_events` with a peer that answers fast.
    pub first_events: u32,
    /// Ranges one request may name.
    pub request_ranges: usize,
    /// Requests under way at once, all peers together.
    pub requests: usize,
    /// Pages waiting for the store above which nothing more is asked for.
    pub unapplied_pages: usize,
    /// Events younger than this come first (`SYNC_WINDOW_DAYS`).
    pub window_ms: i64,
    /// How long a range stays with a peer that sends nothing.
    pub lease_ms: i64,
    /// How long an event may be on its way live before it is asked for.
    pub settle_ms: i64,
    /// A stream that moved live within this is taken to go on: nothing above its head is asked for, however late its events are.
    pub moving_ms: i64,
    /// Maps differ and nothing moves for so long: alarm.
    pub stall_ms: i64,
    /// Changes of the own holdings are collected for so long before peers are told.
    pub announce_ms: i64,
    /// Least time between two tellings of changes: bounds what a busy central spends on them.
    pub announce_gap_ms: i64,
    /// The same for what did not come live, to begin with; doubles while more of it comes.
    pub brought_gap_ms: i64,
    /// Up to this.
    pub brought_longest_ms: i64,
    /// A digest in a beat that is not the expected one is given so long to be explained by what the peer tells next.
    pub explain_ms: i64,
    /// A peer told nothing for so long gets the digest.
    pub beat_ms: i64,
    /// First wait before a peer is asked for its whole map again; doubles up to the longest.
    pub ask_again_ms: i64,
    /// Longest wait before that.
    pub ask_longest_ms: i64,
    /// Least time between two whole maps to the same peer.
    pub whole_gap_ms: i64,
    /// Least time between two readings of the own holdings asked for here.
    pub reload_gap_ms: i64,
    /// How often to be woken with work under way.
    pub busy_tick_ms: i64,
    /// How often to be woken without.
    pub idle_tick_ms: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_events: 5000,
            first_events: 1000,
            request_ranges: 64,
            requests: 3,
            unapplied_pages: 4,
            window_ms: 7 * 86_400_000,
            lease_ms: 5000,
            settle_ms: 150,
            moving_ms: 2000,
            stall_ms: 10_000,
            announce_ms: 250,
            announce_gap_ms: 2000,
            brought_gap_ms: 20,
            brought_longest_ms: 1000,
            explain_ms: 2500,
            beat_ms: 30_000,
            ask_again_ms: 2000,
            ask_longest_ms: 30_000,
            whole_gap_ms: 500,
            reload_gap_ms: 1000,
            busy_tick_ms: 50,
            idle_tick_ms: 1000,
        }
    }
}

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
    /// Read this central's holdings again, all of them: what is believed may be wrong.
    Reload,
    /// Whether this central is catching up has changed: tell everyone.
    Publish,
    /// Maps differ and nothing moves: alarm.
    Stalled(Cause),
    /// The stall is over.
    Moving,
}

/// Why nothing moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The own holdings were never read.
    Unread,
    /// The store cannot take events; its reason.
    Store(String),
    /// A peer does not answer requests.
    NoAnswer(CentralId),
    /// A peer answers without events although its map names them.
    Empty(CentralId),
    /// What a peer sends changes nothing here.
    NothingNew(CentralId),
    /// Asked, and no answer yet.
    Waiting,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Unread => f.write_str("this central's holdings could not be read"),
            Cause::Store(why) => write!(f, "the ledger does not take events: {why}"),
            Cause::NoAnswer(p) => write!(f, "{p} does not answer requests"),
            Cause::Empty(p) => write!(f, "{p} answers without the events its map names"),
            Cause::NothingNew(p) => write!(f, "events of {p} are taken but stay missing"),
            Cause::Waiting => f.write_str("asked, no answer yet"),
        }
    }
}

/// Names events on their way to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// A run of events of one stream that a page brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brought {
    /// The positions, without holes.
    pub range: SeqRange,
    /// `occurred_at` of the event at the range's end, ms since the epoch.
    pub newest_at: i64,
}

/// A `SYNC_RESPONSE`, unpacked; its events stay with the caller.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The request's number.
    pub id: u64,
    /// More pages of the answer follow.
    pub more: bool,
    /// The events.
    pub brought: Vec<Brought>,
    /// Ranges asked for that the peer does not hold.
    pub not_held: Vec<SeqRange>,
}

/// What to do with a page's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Have them stored and report with this ticket, whatever comes of it.
    Apply(Ticket),
    /// There are none.
    Nothing,
    /// Nobody asked: leave them.
    Unasked,
}

/// What became of a page's events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Newly stored.
    pub stored: u64,
    /// Why nothing could be stored.
    pub error: Option<String>,
    /// Holdings of the streams touched, after the commit.
    pub holdings: Vec<StreamHoldings>,
}
