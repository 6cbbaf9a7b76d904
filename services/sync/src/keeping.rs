//! How far events have spread, and ranges nobody holds: looked up now and then, beside the state machine.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kit::Bus;
use replication::catchup::{Catchup, Spread};
use replication::positions::Closed;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::bus::events::{Fetch, Fetched, decode, encode};
use wire::bus::query::{LedgerQuery, QueryReply};
use wire::bus::subject::{LEDGER_FETCH, LEDGER_QUERY};
use wire::event::{Body, Frame};
use wire::http::{LostRanges, LowWaterView, SpreadView};
use wire::id::{CentralId, Incarnation};
use wire::position::{Position, SeqRange, StreamId};
use wire::time::rfc3339;

use crate::metrics::Metrics;

/// How often everything is looked up.
const LOOK: Duration = Duration::from_secs(5);
/// How long the ledger may take.
const LIMIT: Duration = Duration::from_secs(3);
/// First events of streams read back to know their age, all peers together.
const FIRSTS: usize = 500;

/// Two times of an event, ms since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamps {
    /// When it happened.
    happened: i64,
    /// When its origin got to know of it: later, where a lane delivered it late.
    recorded: i64,
}

impl Stamps {
    fn of(frame: &Frame) -> Self {
        let happened = frame.header().occurred_at;
        let received = match Body::of(frame) {
            Ok(Some(Body::EntryPending(b))) => b.clock.received_at,
            Ok(Some(Body::EntryConfirmed(b) | Body::ExitConfirmed(b))) => b.clock.received_at,
            Ok(Some(Body::EntryAbandoned(b) | Body::ExitAbandoned(b))) => b.clock.received_at,
            Ok(Some(Body::Exit(b))) => b.clock.received_at,
            Ok(Some(Body::UnopenedPassage(b))) => b.clock.received_at,
            // Others are stamped when they are recorded; what cannot be read is taken as it stands.
            _ => happened,
        };
        Self { happened, recorded: received.max(happened) }
    }
}

/// What was looked up last.
#[derive(Debug, Clone, Default)]
struct Told {
    /// Ranges operators closed; none until they were read.
    closed: Option<Vec<SeqRange>>,
    /// How far events have spread, with the ages of the first ones.
    spread: Option<(Spread, BTreeMap<Position, Stamps>)>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Keeping {
    wanted: watch::Sender<Option<Spread>>,
    told: watch::Receiver<Told>,
    spread: Option<(Spread, BTreeMap<Position, Stamps>)>,
    looked_at: Option<i64>,
    nowhere: Vec<SeqRange>,
    unheard: Vec<CentralId>,
    metrics: Metrics,
    measured: BTreeSet<CentralId>,
}

impl Keeping {
    /// Starts looking.
    pub(crate) fn start(bus: Bus, metrics: Metrics, tasks: &TaskTracker, stop: CancellationToken) -> Self {
        let (wanted, mut spread) = watch::channel(None::<Spread>);
        let (tell, told) = watch::channel(Told::default());
        tasks.spawn(async move {
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    changed = spread.changed() => if changed.is_err() { return },
                }
                let Some(now) = spread.borrow_and_update().clone() else { continue };
                let looked = async { tokio::join!(closed(&bus), ages(&bus, &now)) };
                let (closed, ages) = tokio::select! {
                    () = stop.cancelled() => return,
                    looked = looked => looked,
                };
                tell.send_modify(|t| {
                    t.closed = closed.or(t.closed.take());
                    t.spread = Some((now, ages));
                });
            }
        });
        Self {
            wanted,
            told,
            spread: None,
            looked_at: None,
            nowhere: Vec::new(),
            unheard: Vec::new(),
            metrics,
            measured: BTreeSet::new(),
        }
    }

    /// Called every second or so: takes what was looked up, and has it looked up again when it is time.
    pub(crate) fn routine(&mut self, now: i64, catchup: &mut Catchup) {
        if self.told.has_changed().unwrap_or(false) {
            let told = self.told.borrow_and_update().clone();
            if let Some(closed) = told.closed {
                catchup.close(Closed::of(closed));
            }
            self.spread = told.spread;
            self.measure();
        }
        let due = self.looked_at.is_none_or(|at| now - at >= LOOK.as_millis() as i64);
        if !due || !catchup.is_loaded() {
            return;
        }
        self.looked_at = Some(now);
        let spread = catchup.spread();
        self.unheard = spread.peers.iter().filter(|p| !p.known).map(|p| p.id.clone()).collect();
        self.nowhere = catchup.nowhere();
        self.wanted.send_replace(Some(spread));
    }

    fn measure(&mut self) {
        let Some((spread, ages)) = &self.spread else { return };
        let now = kit::clock::now_ms();
        // A late delivery of hours ago is held since it came: nobody waits for it since hours.
        let oldest = oldest(spread.peers.iter().flat_map(|p| &p.first), ages, |s| s.recorded);
        self.metrics.not_everywhere(spread.not_everywhere, oldest.map_or(0, |at| age_s(at, now)));
        let peers: BTreeSet<CentralId> = spread.peers.iter().map(|p| p.id.clone()).collect();
        for gone in self.measured.difference(&peers) {
            self.metrics.peer_lacks(gone, 0);
        }
        for p in spread.peers.iter().filter(|p| p.known) {
            self.metrics.peer_lacks(&p.id, p.lacks);
        }
        self.measured = peers;
    }

    /// Ranges known to exist that no configured peer is known to hold, as of the last look.
    pub(crate) fn nowhere(&self) -> &[SeqRange] {
        &self.nowhere
    }

    /// Configured peers that have not told their map yet.
    pub(crate) fn unheard(&self) -> &[CentralId] {
        &self.unheard
    }

    /// As people see it; none until it was looked up.
    pub(crate) fn view(&self, tz: &jiff::tz::TimeZone) -> Option<SpreadView> {
        let (spread, ages) = self.spread.as_ref()?;
        let now = kit::clock::now_ms();
        let all = oldest(spread.peers.iter().flat_map(|p| &p.first), ages, |s| s.happened);
        Some(SpreadView {
            not_everywhere: spread.not_everywhere,
            oldest: all.map(|at| rfc3339(at, tz)),
            oldest_age_s: all.map(|at| age_s(at, now)),
            peers: spread
                .peers
                .iter()
                .map(|p| {
                    let at = oldest(p.first.iter(), ages, |s| s.happened);
                    LowWaterView {
                        peer_central_id: p.id.to_string(),
                        known: p.known,
                        lacks: p.known.then_some(p.lacks),
                        oldest_lacked: at.map(|at| rfc3339(at, tz)),
                        oldest_lacked_age_s: at.map(|at| age_s(at, now)),
                    }
                })
                .collect(),
        })
    }
}

fn age_s(at: i64, now: i64) -> u64 {
    u64::try_from(now.saturating_sub(at) / 1000).unwrap_or(0)
}

fn oldest<'a>(
    firsts: impl Iterator<Item = &'a Position>,
    ages: &BTreeMap<Position, Stamps>,
    which: impl Fn(&Stamps) -> i64,
) -> Option<i64> {
    firsts.filter_map(|p| ages.get(p)).map(which).min()
}

/// The ranges operators closed; none when they could not be read.
async fn closed(bus: &Bus) -> Option<Vec<SeqRange>> {
    let asked = bus.request_json::<_, QueryReply>(LEDGER_QUERY, &LedgerQuery::LostRanges, LIMIT).await;
    let body = match asked {
        Ok(QueryReply::Ok(body)) => body,
        Ok(QueryReply::Problem(p)) => {
            tracing::debug!(code = %p.code, "closed ranges not read");
            return None;
        }
        Err(e) => {
            tracing::debug!(error = %e, "closed ranges not read");
            return None;
        }
    };
    let told: LostRanges = serde_json::from_str(body.get()).ok()?;
    let range = |r: wire::http::LostRange| {
        let central = CentralId::new(&r.central).ok()?;
        let incarnation = Incarnation(u128::from_str_radix(&r.incarnation, 16).ok()?);
        Some(SeqRange { stream: StreamId { central, incarnation }, from: r.from, to: r.to })
    };
    Some(told.items.into_iter().filter_map(range).collect())
}

/// When the first events that peers lack happened, as far as they could be read.
async fn ages(bus: &Bus, spread: &Spread) -> BTreeMap<Position, Stamps> {
    let mut firsts: BTreeSet<&Position> = BTreeSet::new();
    let share = FIRSTS / spread.peers.len().max(1);
    for p in &spread.peers {
        firsts.extend(p.first.iter().take(share));
    }
    if firsts.is_empty() {
        return BTreeMap::new();
    }
    let one = |p: &&Position| SeqRange { stream: p.stream.clone(), from: p.seq, to: p.seq };
    let fetch = Fetch::Ranges {
        ranges: firsts.iter().map(one).collect(),
        max_events: FIRSTS as u32 * 2,
        max_bytes: 512 * 1024,
    };
    let read = async {
        let question = encode(&fetch).ok()?;
        let answer = bus.request(LEDGER_FETCH, question, LIMIT).await.ok()?;
        let Ok(Fetched::Events { frames, .. }) = decode(&answer) else { return None };
        Some(frames)
    };
    let mut out = BTreeMap::new();
    for bytes in read.await.unwrap_or_default() {
        if let Ok(f) = Frame::parse(bytes.into_vec().into()) {
            out.insert(f.header().position.clone(), Stamps::of(&f));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use wire::event::{ClockFacts, EntryOpened, Header};
    use wire::hash::{Hash32, PlateTag};

    use super::*;

    fn entry(happened: i64, received_at: i64) -> Frame {
        let clock = ClockFacts { received_at, ..ClockFacts::default() };
        let body = Body::EntryPending(Box::new(EntryOpened { clock, ..EntryOpened::default() }));
        let stream = StreamId { central: CentralId::new("central-1").unwrap(), incarnation: Incarnation(1) };
        let header = Header {
            kind: body.kind(),
            position: Position { stream, seq: 1 },
            occurred_at: happened,
            prev_hash: Hash32::default(),
            command_id: None,
            opening: None,
            plate_tag: Some(PlateTag::of(b"key", "29A12345")),
        };
        Frame::write(header, &[7; 16], &body.encode().unwrap()).unwrap()
    }

    #[test]
    fn a_late_delivery_is_as_old_as_its_recording() {
        let of = |happened, received| Stamps::of(&entry(happened, received)).recorded;
        assert_eq!((of(1_000, 15_000_000), of(1_000, 1_040), of(1_000, 900)), (15_000_000, 1_040, 1_000));
    }
}
