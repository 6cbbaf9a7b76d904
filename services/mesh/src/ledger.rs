//! What mesh asks its own ledger.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kit::Bus;
use replication::positions::Positions;
use tokio::time::{Instant, timeout};
use wire::bus::events::{Apply, ApplyLane, ApplyReply, Carried, Fetch, Fetched, decode, encode};
use wire::bus::query::{LedgerQuery, LedgerStatus, QueryReply};
use wire::bus::subject::{LEDGER_APPLY, LEDGER_FETCH, LEDGER_QUERY};
use wire::event::Frame;
use wire::hash::{Hash32, PlateTag};
use wire::id::{CentralId, Incarnation};
use wire::mesh::HoldingOfYou;
use wire::position::StreamId;

/// HELLO must not wait long for a ledger that is away.
const HELLO_LIMIT: Duration = Duration::from_millis(300);
const DIGEST_LIMIT: Duration = Duration::from_secs(2);
const APPLY_LIMIT: Duration = Duration::from_secs(2);
const STATUS_LIMIT: Duration = Duration::from_secs(2);
/// Streams per page of the position map.
const PAGE: u32 = 1000;
/// A digest read this recently still counts as ours when it is compared with a peer's.
const FRESH: Duration = Duration::from_millis(500);

#[derive(Debug, Default)]
struct Known {
    digest: Option<(Instant, Hash32)>,
    unread: Option<Instant>,
    projection_version: u32,
}

/// The ledger, over the bus. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    bus: Bus,
    known: Arc<Mutex<Known>>,
    reading: Arc<tokio::sync::Mutex<()>>,
}

impl Ledger {
    pub(crate) fn new(bus: Bus) -> Self {
        Self { bus, known: Arc::default(), reading: Arc::default() }
    }

    async fn fetch(&self, fetch: &Fetch, limit: Duration) -> Option<Fetched> {
        let question = encode(fetch).ok()?;
        let answer = self.bus.request(LEDGER_FETCH, question, limit).await.ok()?;
        decode(&answer).ok()
    }

    /// The heads of a peer's own streams, as held here; nothing when the ledger is away.
    pub(crate) async fn holdings_of(&self, peer: &CentralId) -> Vec<HoldingOfYou> {
        let read = async {
            let mut held = Vec::new();
            let mut after = Some(StreamId { central: peer.clone(), incarnation: Incarnation(0) });
            loop {
                let fetch = Fetch::Holdings { after: after.take(), limit: PAGE };
                let Some(Fetched::Holdings { streams, more }) = self.fetch(&fetch, HELLO_LIMIT).await else {
                    return held;
                };
                let theirs = streams.iter().take_while(|s| s.stream.central == *peer).count();
                held.extend(streams[..theirs].iter().map(|s| HoldingOfYou {
                    incarnation: s.stream.incarnation,
                    head: s.head,
                    head_hash: s.head_hash,
                }));
                after = streams.last().map(|s| s.stream.clone());
                if !more || theirs < streams.len() || after.is_none() {
                    return held;
                }
            }
        };
        timeout(HELLO_LIMIT, read).await.unwrap_or_default()
    }

    /// The digest of the position map, read from Postgres now; none when the ledger is away.
    pub(crate) async fn read_digest(&self) -> Option<Hash32> {
        let _one_at_a_time = self.reading.lock().await;
        if let Some(d) = self.digest_within(FRESH) {
            return Some(d);
        }
        if self.known().unread.is_some_and(|at| at.elapsed() <= FRESH) {
            // Whoever waited for a read that failed does not try again: a hanging ledger would gather a crowd.
            return None;
        }
        let read = async {
            let mut map = Positions::new();
            let mut after = None;
            loop {
                let fetch = Fetch::Holdings { after, limit: PAGE };
                let Some(Fetched::Holdings { streams, more }) = self.fetch(&fetch, DIGEST_LIMIT).await else {
                    return None;
                };
                after = streams.last().map(|s| s.stream.clone());
                for s in streams {
                    map.set(s);
                }
                if !more || after.is_none() {
                    return Some(map.digest());
                }
            }
        };
        let digest = timeout(DIGEST_LIMIT, read).await.ok().flatten();
        let now = Instant::now();
        match digest {
            Some(d) => self.known().digest = Some((now, d)),
            None => self.known().unread = Some(now),
        }
        digest
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn digest_within(&self, age: Duration) -> Option<Hash32> {
        self.known().digest.filter(|(at, _)| at.elapsed() <= age).map(|(_, d)| d)
    }

    /// The digest as last read, if that was a moment ago.
    pub(crate) fn recent_digest(&self) -> Option<Hash32> {
        self.digest_within(FRESH)
    }

    /// The projection's version as last told; 0 before the ledger has told it.
    pub(crate) fn projection_version(&self) -> u32 {
        self.known().projection_version
    }

    /// Asks for the projection's version; true once it is known.
    pub(crate) async fn learn_version(&self) -> bool {
        let asked =
            self.bus.request_json::<_, QueryReply>(LEDGER_QUERY, &LedgerQuery::Status, STATUS_LIMIT).await;
        if let Ok(QueryReply::Ok(body)) = asked
            && let Ok(status) = serde_json::from_str::<LedgerStatus>(body.get())
        {
            self.known().projection_version = status.projection_version;
            return true;
        }
        false
    }

    /// Has events stored, ahead of any backlog. Errors: why nothing was stored.
    pub(crate) async fn apply(&self, from: &CentralId, events: Vec<Carried>) -> Result<ApplyReply, String> {
        let apply = Apply { from: from.clone(), lane: ApplyLane::Live, events };
        let payload = encode(&apply).map_err(|e| e.to_string())?;
        let answer = self.bus.request(LEDGER_APPLY, payload, APPLY_LIMIT).await.map_err(|e| e.to_string())?;
        let reply: ApplyReply = decode(&answer).map_err(|e| e.to_string())?;
        match reply.error {
            Some(e) => Err(e),
            None => Ok(reply),
        }
    }

    /// A vehicle's events; none when the ledger is away.
    pub(crate) async fn plate(&self, tag: PlateTag, max_events: u32) -> Option<Vec<Frame>> {
        match self.fetch(&Fetch::Plate { tag, max_events }, HELLO_LIMIT).await? {
            Fetched::Events { frames, .. } => {
                Some(frames.into_iter().filter_map(|f| Frame::parse(f.into_vec().into()).ok()).collect())
            }
            _ => None,
        }
    }
}
