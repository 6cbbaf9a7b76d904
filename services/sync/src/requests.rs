//! What the state machine asks of the ledger, each request on its own and answered exactly once.

use replication::positions::Positions;
use replication::sync::{Packed, pack};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;
use tracing::Instrument;
use wire::bus::events::ApplyReply;
use wire::bus::query::PeerTimes;
use wire::event::Frame;
use wire::id::CentralId;
use wire::position::{SeqRange, StreamHoldings, StreamId};

use crate::bundle::OfPeer;
use crate::ledger::Ledger;
use crate::recency;

/// What a request brings back.
#[derive(Debug)]
pub(crate) enum Done {
    /// A page of the own holdings, and whether more follow.
    Holdings(u64, Result<(Vec<StreamHoldings>, bool), String>),
    /// Events, packed, and whether more are held.
    Ranges(u64, Result<(Vec<Packed>, bool), String>),
    /// Bundles know or want to know something of a peer.
    Bundle(OfPeer),
    /// Events were stored, or not.
    Applied(u64, Result<ApplyReply, String>),
    /// The last event of each stream, and when something last came through each peer.
    Recent { heads: Result<Vec<Frame>, String>, times: Result<Vec<PeerTimes>, String> },
}

/// Runs the requests.
pub(crate) struct Requests {
    me: CentralId,
    ledger: Ledger,
    done: mpsc::Sender<Done>,
    tasks: TaskTracker,
}

impl Requests {
    pub(crate) fn new(me: CentralId, ledger: Ledger, done: mpsc::Sender<Done>, tasks: TaskTracker) -> Self {
        Self { me, ledger, done, tasks }
    }

    /// Runs one on its own; a panic in it is a failed request.
    fn run<T: Send + 'static>(
        &self,
        request: impl Future<Output = Result<T, String>> + Send + 'static,
        done: impl FnOnce(Result<T, String>) -> Done + Send + 'static,
    ) {
        let to = self.done.clone();
        self.tasks.spawn(async move {
            let result = tokio::spawn(request).await.unwrap_or_else(|e| Err(e.to_string()));
            drop(to.send(done(result)).await);
        });
    }

    pub(crate) fn read_holdings(&self, request: u64, after: Option<StreamId>) {
        let ledger = self.ledger.clone();
        self.run(async move { ledger.holdings(after).await }, move |r| Done::Holdings(request, r));
    }

    /// Reads events, and packs them here, where nobody waits.
    pub(crate) fn read_ranges(&self, request: u64, ranges: Vec<SeqRange>, max_events: u64) {
        let ledger = self.ledger.clone();
        let read = async move {
            let (frames, more) = ledger.events(ranges, max_events).await?;
            Ok((pack(&frames).map_err(|e| e.to_string())?, more))
        };
        self.run(read, move |r| Done::Ranges(request, r));
    }

    pub(crate) fn apply(&self, request: u64, peer: CentralId, frames: Vec<Frame>) {
        let ledger = self.ledger.clone();
        let span = tracing::info_span!(
            "sync.page.apply", central = %self.me, peer = %peer, events = frames.len()
        );
        let stored = async move { ledger.apply(&peer, &frames).await };
        self.run(stored.instrument(span), move |r| Done::Applied(request, r));
    }

    /// How new everything is, once: for people.
    pub(crate) fn read_recent(&self, held: &Positions) {
        let (ledger, ranges) = (self.ledger.clone(), recency::heads(held));
        let to = self.done.clone();
        self.tasks.spawn(async move {
            let count = ranges.len() as u64;
            let heads = match count {
                0 => Ok((Vec::new(), false)),
                _ => ledger.events(ranges, count).await,
            };
            let times = ledger.peer_times().await;
            drop(to.send(Done::Recent { heads: heads.map(|(heads, _)| heads), times }).await);
        });
    }
}
