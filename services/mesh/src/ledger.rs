//! What mesh asks its own ledger.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kit::Bus;
use replication::mesh::Identity;
use replication::positions::Positions;
use tokio::time::timeout;
use wire::bus::events::{Apply, ApplyLane, ApplyReply, Carried, Fetch, Fetched, decode, encode};
use wire::bus::query::{LedgerIdentity, LedgerQuery, QueryReply};
use wire::bus::subject::{LEDGER_APPLY, LEDGER_FETCH, LEDGER_QUERY};
use wire::event::Frame;
use wire::hash::{Hash32, PlateTag};
use wire::id::{CentralId, Incarnation};
use wire::mesh::HoldingOfYou;
use wire::position::StreamId;

/// HELLO must not wait long for a ledger that is away.
const HELLO_LIMIT: Duration = Duration::from_millis(300);
const DIGEST_LIMIT: Duration = Duration::from_secs(2);
/// A ledger with too much to do takes seconds; events given up meanwhile would come by catch-up as well.
const APPLY_LIMIT: Duration = Duration::from_secs(10);
/// Without an answer for so long it is asked whether it is still the same ledger: one that was killed answers nothing.
const DOUBT: Duration = Duration::from_millis(700);
const WHO_LIMIT: Duration = Duration::from_secs(2);
/// Streams per page of the position map.
const PAGE: u32 = 1000;
/// The ledger, over the bus. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    bus: Bus,
    /// The process that last said it writes.
    writer: Arc<Mutex<Option<String>>>,
}

impl Ledger {
    pub(crate) fn new(bus: Bus) -> Self {
        Self { bus, writer: Arc::default() }
    }

    fn known_writer(&self) -> Option<String> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
        timeout(DIGEST_LIMIT, read).await.ok().flatten()
    }

    /// Who answers; none when the ledger is away.
    pub(crate) async fn identity(&self) -> Option<Identity> {
        let asked = self.bus.request_json::<_, QueryReply>(LEDGER_QUERY, &LedgerQuery::Identity, WHO_LIMIT);
        let Ok(QueryReply::Ok(body)) = asked.await else { return None };
        let LedgerIdentity { process, writer, projection_version } = serde_json::from_str(body.get()).ok()?;
        if writer {
            *self.writer.lock().unwrap_or_else(PoisonError::into_inner) = Some(process.clone());
        }
        Some(Identity { process, writer, projection_version })
    }

    /// Has events stored, ahead of any backlog. Errors: why nothing was stored.
    pub(crate) async fn apply(&self, from: &CentralId, events: Vec<Carried>) -> Result<ApplyReply, String> {
        let apply = Apply { from: from.clone(), lane: ApplyLane::Live, events };
        let payload = encode(&apply).map_err(|e| e.to_string())?;
        let asked = self.known_writer();
        let answer = tokio::select! {
            answer = self.bus.request(LEDGER_APPLY, payload, APPLY_LIMIT) => answer.map_err(|e| e.to_string())?,
            () = self.replaced(asked) => return Err("another ledger writes now".to_owned()),
        };
        let reply: ApplyReply = decode(&answer).map_err(|e| e.to_string())?;
        match reply.error {
            Some(e) => Err(e),
            None => Ok(reply),
        }
    }

    /// Ends when another process than this one says it writes.
    async fn replaced(&self, asked: Option<String>) {
        loop {
            tokio::time::sleep(DOUBT).await;
            // A standby may answer, too: it does not write.
            if self
                .identity()
                .await
                .is_some_and(|i| i.writer && asked.as_ref().is_some_and(|a| *a != i.process))
            {
                return;
            }
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
