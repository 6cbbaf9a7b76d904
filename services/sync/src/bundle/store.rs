//! Pages of a trusted bundle on their way to the ledger: behind live events, one page at a time.

use std::collections::BTreeMap;
use std::time::Duration;

use replication::sync::chunk;
use tokio::sync::Mutex;
use wire::bus::bundle::{BundleReply, StoredPage};
use wire::bus::events::ApplyReply;
use wire::event::Frame;
use wire::http::Problem;
use wire::id::CentralId;
use wire::page;
use wire::position::StreamHoldings;

use super::peers::Peers;
use crate::ledger::Ledger;

/// Times a piece is tried; a ledger that restarts is back within that.
const TRIES: u32 = 4;
/// Pause after a failed try.
const PAUSE: Duration = Duration::from_millis(700);
/// Streams of a map at most.
const MAX_STREAMS: usize = 100_000;

/// Takes pages and maps.
pub(super) struct Store {
    ledger: Ledger,
    peers: Peers,
    /// A map that arrives in pages; also the turn of those who bring pages.
    arriving: Mutex<Option<(CentralId, Vec<StreamHoldings>)>>,
    turn: Mutex<()>,
}

impl Store {
    pub(super) fn new(ledger: Ledger, peers: Peers) -> Self {
        Self { ledger, peers, arriving: Mutex::new(None), turn: Mutex::new(()) }
    }

    /// Has a page's events stored. Errors: it cannot be read; the ledger is away, and what was stored of it before stays.
    pub(super) async fn page(&self, from: &CentralId, page: &[u8]) -> Result<BundleReply, Box<Problem>> {
        let frames = page::unpack(page).map_err(|e| {
            Box::new(Problem::new(422, "bundle_damaged", "The bundle is damaged", e.to_string()))
        })?;
        let _turn = self.turn.lock().await;
        let mut sum = StoredPage::default();
        let mut holdings: BTreeMap<_, StreamHoldings> = BTreeMap::new();
        let mut rest = &frames[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(chunk(rest));
            rest = later;
            let reply = self.apply(from, now).await.map_err(super::no_ledger)?;
            sum.stored += u64::from(reply.stored);
            sum.known += u64::from(reply.known);
            sum.poison += u64::from(reply.poison);
            sum.forks += u64::from(reply.forks);
            sum.refused += u64::from(reply.refused);
            holdings.extend(reply.holdings.into_iter().map(|h| (h.stream.clone(), h)));
        }
        sum.holdings = holdings.into_values().collect();
        Ok(BundleReply::Stored(sum))
    }

    async fn apply(&self, from: &CentralId, frames: &[Frame]) -> Result<ApplyReply, String> {
        let mut why = String::new();
        for _ in 0..TRIES {
            match self.ledger.apply(from, frames).await {
                Ok(reply) => return Ok(reply),
                Err(e) => why = e,
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(why)
    }

    /// Takes a page of the map of a bundle's maker; the last one makes it known.
    pub(super) async fn learn(
        &self,
        from: CentralId,
        streams: Vec<StreamHoldings>,
        last: bool,
    ) -> BundleReply {
        let mut arriving = self.arriving.lock().await;
        let of = match arriving.as_mut() {
            Some((who, of)) if *who == from => of,
            _ => &mut arriving.insert((from.clone(), Vec::new())).1,
        };
        of.extend(streams);
        of.truncate(MAX_STREAMS);
        if last && let Some((from, streams)) = arriving.take() {
            self.peers.map(from, streams).await;
        }
        BundleReply::Done
    }
}
