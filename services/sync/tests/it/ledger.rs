//! A ledger in memory: answers fetches, applies pages, tells what was stored.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use kit::Bus;
use replication::log::Head;
use replication::positions::Positions;
use tokio::task::JoinHandle;
use wire::bus::events::{Apply, ApplyLane, ApplyReply, Fetch, Fetched, decode, encode};
use wire::bus::query::{LedgerQuery, PeerTimes, QueryReply};
use wire::bus::state::{Stored, StoredEvent};
use wire::bus::subject::{
    EVENTS_STORED, LEDGER_APPLY, LEDGER_FETCH, LEDGER_GROUP, LEDGER_QUERY, MAX_MESSAGE_BYTES,
};
use wire::event::{Frame, Kind};
use wire::hash::PlateTag;
use wire::http::{LostRange, LostRanges};
use wire::id::{CentralId, Incarnation};
use wire::position::{SeqRange, StreamId};

#[derive(Default)]
pub(crate) struct Log {
    frames: BTreeMap<(StreamId, u64), Frame>,
    pub(crate) positions: Positions,
    head: Option<Head>,
    arrivals: u64,
    /// What `p2p_sync_state` keeps.
    pub(crate) times: Vec<PeerTimes>,
    /// The ranges operators closed.
    pub(crate) closed: Vec<LostRange>,
    /// Set: nothing can be stored.
    pub(crate) broken: bool,
    pub(crate) backlog_stored: u64,
    pub(crate) backlog_known: u64,
    pub(crate) transactions: u64,
    /// First seqs of the pages applied, in order.
    pub(crate) order: Vec<u64>,
}

impl Log {
    fn store(&mut self, f: Frame) -> bool {
        let at = f.header().position.clone();
        let new = self.positions.insert(&at, f.hash());
        self.frames.insert((at.stream, at.seq), f);
        self.arrivals += u64::from(new);
        new
    }

    /// Forgets all but the first events of every stream, as an older copy of the disk would.
    pub(crate) fn go_back(&mut self, keep: u64) {
        let kept: Vec<Frame> =
            self.frames.iter().filter(|((_, seq), _)| *seq <= keep).map(|(_, f)| f.clone()).collect();
        self.frames.clear();
        self.positions = Positions::new();
        for f in kept {
            self.store(f);
        }
    }

    fn read(&self, ranges: &[SeqRange], max_events: u32, max_bytes: u32) -> (Vec<Frame>, bool) {
        let (mut out, mut bytes) = (Vec::new(), 0);
        for r in ranges {
            let of = (r.stream.clone(), r.from)..=(r.stream.clone(), r.to);
            for f in self.frames.range(of).map(|(_, f)| f) {
                bytes += f.bytes().len();
                if out.len() >= max_events as usize || (bytes > max_bytes as usize && !out.is_empty()) {
                    return (out, true);
                }
                out.push(f.clone());
            }
        }
        (out, false)
    }
}

#[derive(Clone)]
pub(crate) struct Ledger {
    pub(crate) me: CentralId,
    log: Arc<Mutex<Log>>,
}

impl Ledger {
    pub(crate) fn new(me: CentralId) -> Self {
        Self { me, log: Arc::default() }
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap()
    }

    /// Events happen here, without anyone being told.
    pub(crate) fn append(&self, n: usize) -> Vec<Frame> {
        let mut log = self.log();
        let mut head = log.head.take().unwrap_or_else(|| {
            let n = self.me.as_str().bytes().last().unwrap();
            Head::start(StreamId { central: self.me.clone(), incarnation: Incarnation(u128::from(n) << 64) })
        });
        let mut all = Vec::with_capacity(n);
        for _ in 0..n {
            let seq = head.seq + 1;
            let tag = PlateTag::of(b"operator", &seq.to_string());
            let header = head.next(Kind::EntryPending, 1_700_000_000_000 + seq as i64, None, None, Some(tag));
            let body = format!(
                "{{\"plate\":{{\"raw\":\"29A-{seq:05}\",\"key\":\"29A{seq:05}\",\"display\":\"29A-{seq:05}\"}},\
                 \"edge_id\":\"edge-1\",\"vehicle_class\":\"car\",\"clock\":{{\"received_at\":{}}}}}",
                1_700_000_000_000 + seq
            );
            let mut salt = [0; 16];
            salt[..8].copy_from_slice(&seq.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
            let f = Frame::write(header, &salt, body.as_bytes()).unwrap();
            head.advance(&f).unwrap();
            log.store(f.clone());
            all.push(f);
        }
        log.head = Some(head);
        all
    }

    /// Tells sync what was stored.
    pub(crate) async fn tell(&self, bus: &Bus, frames: &[Frame]) {
        let stored = {
            let log = self.log();
            let mut streams: Vec<StreamId> =
                frames.iter().map(|f| f.header().position.stream.clone()).collect();
            streams.sort_unstable();
            streams.dedup();
            let events = frames.iter().map(|f| StoredEvent {
                arrival: log.arrivals,
                kind: f.header().kind,
                position: f.header().position.clone(),
                occurred_at: f.header().occurred_at,
                event_id: None,
                edge_id: None,
                fee: None,
            });
            Stored {
                epoch: String::new(),
                after: 0,
                events: events.collect(),
                holdings: holdings(&log, &streams),
                brought: false,
            }
        };
        // A lost message is the bus's right.
        drop(bus.publish_json(EVENTS_STORED, &stored).await);
    }

    pub(crate) async fn apply(&self, bus: &Bus, apply: Apply) -> ApplyReply {
        let frames: Vec<Frame> =
            apply.events.into_iter().map(|c| Frame::parse(c.frame.into()).unwrap()).collect();
        let mut reply = ApplyReply::default();
        let mut new = Vec::new();
        {
            let mut log = self.log();
            if log.broken {
                return ApplyReply { error: Some("disk full".to_owned()), ..reply };
            }
            log.transactions += 1;
            let mut streams: Vec<StreamId> =
                frames.iter().map(|f| f.header().position.stream.clone()).collect();
            streams.dedup();
            if apply.lane == ApplyLane::Backlog
                && let Some(f) = frames.first()
            {
                log.order.push(f.header().position.seq);
            }
            for f in frames {
                if log.store(f.clone()) {
                    reply.stored += 1;
                    new.push(f);
                } else {
                    reply.known += 1;
                }
            }
            if apply.lane == ApplyLane::Backlog {
                log.backlog_stored += u64::from(reply.stored);
                log.backlog_known += u64::from(reply.known);
            }
            reply.holdings = holdings(&log, &streams);
        }
        if !new.is_empty() {
            self.tell(bus, &new).await;
        }
        reply
    }

    fn fetch(&self, fetch: Fetch) -> Fetched {
        let log = self.log();
        match fetch {
            Fetch::Holdings { after, limit } => {
                let (streams, more) = log.positions.page(after.as_ref(), limit as usize);
                Fetched::Holdings { streams, more }
            }
            Fetch::Ranges { ranges, max_events, max_bytes } => {
                let (frames, more) = log.read(&ranges, max_events, max_bytes);
                let frames = frames.into_iter().map(|f| f.bytes().to_vec().into()).collect();
                Fetched::Events { frames, more }
            }
            Fetch::Window { from, to, .. } => {
                let mut runs: Vec<SeqRange> = Vec::new();
                for ((stream, seq), f) in &log.frames {
                    if !(from..to).contains(&f.header().occurred_at) {
                        continue;
                    }
                    match runs.last_mut() {
                        Some(r) if r.stream == *stream => r.to = *seq,
                        _ => runs.push(SeqRange { stream: stream.clone(), from: *seq, to: *seq }),
                    }
                }
                Fetched::Runs { runs, more: false }
            }
            _ => Fetched::Unavailable("not here".to_owned()),
        }
    }

    /// Serves the bus.
    pub(crate) async fn serve(&self, bus: Bus) -> Vec<JoinHandle<()>> {
        let mut fetches = bus.serve(LEDGER_FETCH, LEDGER_GROUP).await.unwrap();
        let mut applies = bus.serve(LEDGER_APPLY, LEDGER_GROUP).await.unwrap();
        let mut questions = bus.serve(LEDGER_QUERY, LEDGER_GROUP).await.unwrap();
        let kept = self.clone();
        let answers = tokio::spawn(async move {
            while let Some(m) = questions.next().await {
                let answer = match m.json::<LedgerQuery>().unwrap() {
                    LedgerQuery::PeerTimes => serde_json::value::to_raw_value(&kept.log().times).unwrap(),
                    LedgerQuery::LostRanges => {
                        let items = kept.log().closed.clone();
                        serde_json::value::to_raw_value(&LostRanges { items }).unwrap()
                    }
                    other => panic!("not asked by this service: {other:?}"),
                };
                m.reply_json(&QueryReply::Ok(answer)).await;
            }
        });
        let (a, b) = (self.clone(), self.clone());
        vec![
            answers,
            tokio::spawn(async move {
                while let Some(m) = fetches.next().await {
                    let answer = encode(&a.fetch(decode(&m.payload).unwrap())).unwrap();
                    assert!(answer.len() <= MAX_MESSAGE_BYTES, "{}", answer.len());
                    m.reply(answer).await;
                }
            }),
            tokio::spawn(async move {
                while let Some(m) = applies.next().await {
                    assert!(m.payload.len() <= MAX_MESSAGE_BYTES, "{}", m.payload.len());
                    let reply = b.apply(&bus, decode(&m.payload).unwrap()).await;
                    // A commit takes a while.
                    tokio::time::sleep(Duration::from_millis(2)).await;
                    m.reply(encode(&reply).unwrap()).await;
                }
            }),
        ]
    }
}

fn holdings(log: &Log, streams: &[StreamId]) -> Vec<wire::position::StreamHoldings> {
    streams.iter().filter_map(|s| log.positions.get(s).map(|p| p.to_holdings(s))).collect()
}
