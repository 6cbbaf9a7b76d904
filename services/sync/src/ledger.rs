//! What sync asks its own ledger.

use std::time::Duration;

use kit::Bus;
use wire::bus::events::{Apply, ApplyLane, ApplyReply, Carried, Fetch, Fetched, decode, encode};
use wire::bus::query::{LedgerQuery, PeerTimes, QueryReply};
use wire::bus::subject::{LEDGER_APPLY, LEDGER_FETCH, LEDGER_QUERY};
use wire::event::Frame;
use wire::id::CentralId;
use wire::position::{SeqRange, StreamHoldings, StreamId};

/// Reading is quick or the ledger is away.
const READ_LIMIT: Duration = Duration::from_secs(5);
/// Looking at the time of every event of millions takes a while.
const WINDOW_LIMIT: Duration = Duration::from_secs(25);
/// A page of backlog may wait behind live traffic and other pages.
const APPLY_LIMIT: Duration = Duration::from_secs(20);
/// Streams per page of the position map.
const STREAMS: u32 = 500;
/// Streams per page of a window.
const WINDOW_STREAMS: u32 = 5000;
/// Pages of the position map read at most: a map larger than this is not believable.
const MAP_PAGES: usize = 1000;
/// Bytes of frames read at once: a page of them is below its bound when compressed, and the answer below that of the bus.
const READ_BYTES: u32 = 512 * 1024;
/// The ledger, over the bus. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    bus: Bus,
}

impl Ledger {
    pub(crate) fn new(bus: Bus) -> Self {
        Self { bus }
    }

    async fn fetch(&self, fetch: &Fetch) -> Result<Fetched, String> {
        self.fetch_within(fetch, READ_LIMIT).await
    }

    async fn fetch_within(&self, fetch: &Fetch, limit: Duration) -> Result<Fetched, String> {
        let question = encode(fetch).map_err(|e| e.to_string())?;
        let answer = self.bus.request(LEDGER_FETCH, question, limit).await.map_err(|e| e.to_string())?;
        match decode(&answer).map_err(|e| e.to_string())? {
            Fetched::Unavailable(why) => Err(why),
            fetched => Ok(fetched),
        }
    }

    /// A page of the position map, from Postgres, and whether more follow. Errors: why it cannot be read.
    pub(crate) async fn holdings(
        &self,
        after: Option<StreamId>,
    ) -> Result<(Vec<StreamHoldings>, bool), String> {
        match self.fetch(&Fetch::Holdings { after, limit: STREAMS }).await? {
            Fetched::Holdings { streams, more } => Ok((streams, more)),
            _ => Err("the ledger answered something else than holdings".to_owned()),
        }
    }

    /// The whole position map. Errors: why it cannot be read.
    pub(crate) async fn map(&self) -> Result<Vec<StreamHoldings>, String> {
        let mut all = Vec::new();
        let mut after = None;
        for _ in 0..MAP_PAGES {
            let (streams, more) = self.holdings(after).await?;
            after = streams.last().map(|s| s.stream.clone());
            all.extend(streams);
            if !more || after.is_none() {
                return Ok(all);
            }
        }
        Err("the position map does not end".to_owned())
    }

    /// When something last came through each peer. Errors: why that cannot be read.
    pub(crate) async fn peer_times(&self) -> Result<Vec<PeerTimes>, String> {
        let asked = self.bus.request_json::<_, QueryReply>(LEDGER_QUERY, &LedgerQuery::PeerTimes, READ_LIMIT);
        match asked.await.map_err(|e| e.to_string())? {
            QueryReply::Ok(body) => serde_json::from_str(body.get()).map_err(|e| e.to_string()),
            QueryReply::Problem(p) => Err(p.code),
        }
    }

    /// Of each stream the positions from its first to its last event with `from ≤ occurred_at < to` (ms). Errors: why it cannot be
    /// read.
    pub(crate) async fn window(&self, from: i64, to: i64) -> Result<Vec<SeqRange>, String> {
        let mut all = Vec::new();
        let mut after = None;
        for _ in 0..MAP_PAGES {
            let fetch = Fetch::Window { from, to, after, limit: WINDOW_STREAMS };
            let Fetched::Runs { runs, more } = self.fetch_within(&fetch, WINDOW_LIMIT).await? else {
                return Err("the ledger answered something else than runs".to_owned());
            };
            after = runs.last().map(|r| r.stream.clone());
            all.extend(runs);
            if !more || after.is_none() {
                return Ok(all);
            }
        }
        Err("the window does not end".to_owned())
    }

    /// The events held of these ranges, from the front, and whether there are more. Errors: why they cannot be read.
    pub(crate) async fn events(
        &self,
        ranges: Vec<SeqRange>,
        max_events: u64,
    ) -> Result<(Vec<Frame>, bool), String> {
        let max_events = u32::try_from(max_events).unwrap_or(u32::MAX);
        match self.fetch(&Fetch::Ranges { ranges, max_events, max_bytes: READ_BYTES }).await? {
            Fetched::Events { frames, more } => {
                let frames = frames
                    .into_iter()
                    .map(|f| Frame::parse(f.into_vec().into()).map_err(|e| e.to_string()))
                    .collect::<Result<Vec<_>, _>>()?;
                Ok((frames, more))
            }
            _ => Err("the ledger answered something else than events".to_owned()),
        }
    }

    /// Has events stored behind the live ones, in one transaction. Errors: why nothing was stored, as far as is known.
    pub(crate) async fn apply(&self, from: &CentralId, frames: &[Frame]) -> Result<ApplyReply, String> {
        let carried = |f: &Frame| Carried { trace: None, committed_at: 0, frame: f.bytes().to_vec() };
        let events = frames.iter().map(carried).collect();
        let payload = encode(&Apply { from: from.clone(), lane: ApplyLane::Backlog, events })
            .map_err(|e| e.to_string())?;
        let answer = self.bus.request(LEDGER_APPLY, payload, APPLY_LIMIT).await.map_err(|e| e.to_string())?;
        let reply: ApplyReply = decode(&answer).map_err(|e| e.to_string())?;
        match reply.error {
            Some(why) => Err(why),
            None => Ok(reply),
        }
    }
}
