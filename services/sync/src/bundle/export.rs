//! Files under way: planned at once, read and packed piece by piece as the gateway asks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kit::{Bus, ConfigWatch};
use replication::bundle::{Choice, Cursor, plan};
use replication::positions::Positions;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use wire::bundle::{BadBundle, Seal, Wanted, Writer};
use wire::bus::bundle::{BundleReply, SealedBy};
use wire::bus::query::{MeshQuery, QueryReply};
use wire::bus::subject::MESH_QUERY;
use wire::event::Frame;
use wire::hash::Hash32;
use wire::http::Problem;
use wire::id::CentralId;
use wire::position::StreamHoldings;

use super::peers::{Known, Peers};
use crate::ledger::Ledger;

/// Files under way at once.
const AT_ONCE: usize = 2;
/// A file nobody asked for so long makes room for a new one.
const IDLE: Duration = Duration::from_secs(20);
/// Events read at once.
const READ_EVENTS: u64 = 4000;
/// Bytes of one piece at most where it is no page: below the bound of the bus.
const PIECE: usize = 512 * 1024;
/// Times the ledger and mesh are tried for one piece.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);
const MESH_LIMIT: Duration = Duration::from_secs(2);

/// The files under way.
pub(super) struct Exports {
    config: ConfigWatch,
    bus: Bus,
    ledger: Ledger,
    peers: Peers,
    under_way: Mutex<BTreeMap<u64, UnderWay>>,
}

struct UnderWay {
    export: Arc<tokio::sync::Mutex<Export>>,
    used_at: Instant,
}

enum Stage {
    Head,
    Pages,
    /// Manifest and seal, cut into pieces, last one first.
    Tail(Vec<Vec<u8>>),
}

struct Export {
    me: CentralId,
    wanted: Wanted,
    held: Vec<StreamHoldings>,
    cursor: Cursor,
    /// Events that were read and did not fit into the page before.
    waiting: Vec<Frame>,
    /// None once the manifest was made.
    writer: Option<Writer>,
    stage: Stage,
    /// The piece served last, for the case that its answer was lost.
    served: Option<(u32, Vec<u8>, bool)>,
}

fn invalid(field: &str, message: &str) -> Box<Problem> {
    Box::new(Problem::field("invalid_value", field, message))
}

fn broken_off() -> Box<Problem> {
    super::internal("the bundle broke off, begin it again".to_owned())
}

fn too_large(e: &BadBundle) -> Box<Problem> {
    let title = "The bundle would be too large";
    Box::new(Problem::new(422, "bundle_too_large", title, format!("{e}; narrow the choice")))
}

impl Exports {
    pub(super) fn new(config: ConfigWatch, bus: Bus, ledger: Ledger, peers: Peers) -> Self {
        Self { config, bus, ledger, peers, under_way: Mutex::default() }
    }

    fn under_way(&self) -> MutexGuard<'_, BTreeMap<u64, UnderWay>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Plans a file. Errors: nothing to seal it with, an unknown peer, too many files at once, no ledger.
    pub(super) async fn begin(&self, wanted: Wanted) -> Result<BundleReply, Box<Problem>> {
        let me = self.config.current().this_central.id.clone();
        // Before anything is read: a file nobody can seal is of no use.
        let _: SealedBy = self.mesh(&MeshQuery::BundleSealer).await?;
        let there = match &wanted.for_central {
            None => None,
            Some(id) if *id == me => return Err(invalid("/for_central", "is this central itself")),
            Some(id) => match self.peers.known(id).await {
                Known::Map(map) => Some(map),
                Known::Nothing => None,
                Known::Stranger => {
                    let detail = format!("{id} is not configured");
                    return Err(Box::new(Problem::new(404, "unknown_peer", "No such peer", detail)));
                }
            },
        };
        let held = self.ledger.map().await.map_err(super::no_ledger)?;
        let runs = match (wanted.from, wanted.to) {
            (None, None) => None,
            (from, to) => {
                let (from, to) = (from.unwrap_or(i64::MIN), to.unwrap_or(i64::MAX));
                Some(self.ledger.window(from, to).await.map_err(super::no_ledger)?)
            }
        };
        let choice = Choice {
            held_there: there.as_ref(),
            central: wanted.central.as_ref(),
            ranges: (!wanted.ranges.is_empty()).then_some(&wanted.ranges[..]),
            runs: runs.as_deref(),
        };
        let ranges = plan(&Positions::from_holdings(held.iter().cloned()), &choice);
        let events = ranges.iter().map(wire::position::SeqRange::len).sum();
        let name = file_name(&me, wanted.for_central.as_ref(), kit::clock::now_ms());
        let export = Export {
            me,
            wanted,
            held,
            cursor: Cursor::new(ranges),
            waiting: Vec::new(),
            writer: Some(Writer::default()),
            stage: Stage::Head,
            served: None,
        };
        let id = self.keep(export)?;
        tracing::info!(id, events, "a bundle is being made");
        Ok(BundleReply::Begun { id, events, name })
    }

    fn keep(&self, export: Export) -> Result<u64, Box<Problem>> {
        let now = Instant::now();
        let mut all = self.under_way();
        if all.len() >= AT_ONCE {
            all.retain(|_, u| now.duration_since(u.used_at) < IDLE);
        }
        if all.len() >= AT_ONCE {
            let detail = format!("{AT_ONCE} bundles are being made already");
            let mut p = Problem::new(503, "busy", "Too much at once", detail);
            p.retry_after_s = Some(20);
            return Err(Box::new(p));
        }
        let id = uuid::Uuid::new_v4().as_u64_pair().0;
        all.insert(id, UnderWay { export: Arc::new(tokio::sync::Mutex::new(export)), used_at: now });
        Ok(id)
    }

    /// The next piece of a file, or the one before again. Errors: the file is gone, or cannot go on.
    pub(super) async fn next(&self, id: u64, part: u32) -> Result<BundleReply, Box<Problem>> {
        let export = {
            let mut all = self.under_way();
            let u = all.get_mut(&id).ok_or_else(|| super::internal("the bundle is gone".to_owned()))?;
            u.used_at = Instant::now();
            u.export.clone()
        };
        let mut export = export.lock().await;
        let next = match &export.served {
            Some((n, bytes, last)) if *n == part => {
                return Ok(BundleReply::Part { bytes: bytes.clone(), last: *last });
            }
            Some((n, ..)) => n + 1,
            None => 0,
        };
        if part != next {
            return Err(super::internal(format!("piece {part} of a bundle, {next} is next")));
        }
        let (bytes, last) = self.piece(&mut export).await?;
        export.served = Some((part, bytes.clone(), last));
        Ok(BundleReply::Part { bytes, last })
    }

    /// Forgets a file.
    pub(super) fn end(&self, id: u64) -> BundleReply {
        self.under_way().remove(&id);
        BundleReply::Done
    }

    async fn piece(&self, e: &mut Export) -> Result<(Vec<u8>, bool), Box<Problem>> {
        if let Stage::Head = e.stage {
            e.stage = Stage::Pages;
            return Ok((Writer::head(), false));
        }
        if let Stage::Pages = e.stage {
            if e.waiting.is_empty() {
                self.read(e).await?;
            }
            if !e.waiting.is_empty() {
                let writer = e.writer.as_mut().ok_or_else(broken_off)?;
                let (bytes, n) = writer.page(&e.waiting).map_err(|e| too_large(&e))?;
                e.waiting.drain(..n);
                return Ok((bytes, false));
            }
            e.stage = Stage::Tail(self.tail(e).await?);
        }
        let Stage::Tail(rest) = &mut e.stage else { return Err(super::internal("no piece".to_owned())) };
        let bytes = rest.pop().unwrap_or_default();
        Ok((bytes, rest.is_empty()))
    }

    /// Reads on until events come or nothing is left.
    async fn read(&self, e: &mut Export) -> Result<(), Box<Problem>> {
        while let Some(ranges) = e.cursor.ask() {
            let (frames, more) = self.events(&ranges).await.map_err(super::no_ledger)?;
            e.waiting = e.cursor.read(frames, more);
            if !e.waiting.is_empty() {
                break;
            }
        }
        Ok(())
    }

    async fn events(&self, ranges: &[wire::position::SeqRange]) -> Result<(Vec<Frame>, bool), String> {
        let mut why = String::new();
        for _ in 0..TRIES {
            match self.ledger.events(ranges.to_vec(), READ_EVENTS).await {
                Ok(read) => return Ok(read),
                Err(e) => why = e,
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(why)
    }

    async fn tail(&self, e: &mut Export) -> Result<Vec<Vec<u8>>, Box<Problem>> {
        // Taken: after a failure from here on the file cannot go on, and must not go on as another one.
        let writer = e.writer.take().ok_or_else(broken_off)?;
        let (held, wanted) = (std::mem::take(&mut e.held), std::mem::take(&mut e.wanted));
        let (mut bytes, manifest) =
            writer.manifest(e.me.clone(), kit::clock::now_ms(), wanted, held).map_err(|e| too_large(&e))?;
        let seal = self.seal(manifest).await?;
        bytes.extend(Writer::seal(&seal).map_err(|e| too_large(&e))?);
        let mut pieces: Vec<Vec<u8>> = bytes.chunks(PIECE).map(<[u8]>::to_vec).collect();
        pieces.reverse();
        Ok(pieces)
    }

    async fn seal(&self, manifest: Hash32) -> Result<Seal, Box<Problem>> {
        let question = MeshQuery::SealBundle { manifest };
        let mut asked = self.mesh(&question).await;
        for _ in 1..TRIES {
            match &asked {
                Err(p) if p.status == 503 => tokio::time::sleep(PAUSE).await,
                _ => break,
            }
            asked = self.mesh(&question).await;
        }
        asked
    }

    async fn mesh<A: DeserializeOwned>(&self, q: &MeshQuery) -> Result<A, Box<Problem>> {
        let away = |why: String| {
            let mut p = Problem::new(503, "no_mesh", "The mesh service does not answer", why);
            p.retry_after_s = Some(1);
            Box::new(p)
        };
        match self.bus.request_json::<_, QueryReply>(MESH_QUERY, q, MESH_LIMIT).await {
            Ok(QueryReply::Ok(body)) => serde_json::from_str(body.get()).map_err(|e| away(e.to_string())),
            Ok(QueryReply::Problem(p)) => Err(Box::new(p)),
            Err(e) => Err(away(e.to_string())),
        }
    }
}

/// `central-1_20261122T212300Z_for-central-3.pmbundle`
fn file_name(me: &CentralId, receiver: Option<&CentralId>, now: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(now).unwrap_or_default().strftime("%Y%m%dT%H%M%SZ");
    let receiver = receiver.map_or_else(String::new, |r| format!("_for-{r}"));
    format!("{me}_{at}{receiver}.pmbundle")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_by_maker_time_and_receiver() {
        let of = |n: u8| CentralId::new(&format!("central-{n}")).unwrap();
        let at = 1_793_000_000_000;
        assert_eq!(file_name(&of(1), Some(&of(3)), at), "central-1_20261026T073320Z_for-central-3.pmbundle");
        assert_eq!(file_name(&of(1), None, at), "central-1_20261026T073320Z.pmbundle");
    }
}
