//! The conversation with the audits of other centrals. Sync carries it: it asks here what is to be said, and brings what was heard.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use kit::Incoming;
use replication::audit::{Exchange, Next, Verdict, day_of, judge, proven};
use replication::positions::StreamPositions;
use sqlx::Connection;
use wire::audit::{
    AuditAbout, AuditAnswer, AuditAsk, AuditDigests, AuditFound, AuditQuestion, AuditSay, CHUNK, SiteDigest,
};
use wire::bus::events::{ToPeer, decode, encode};
use wire::bus::subject;
use wire::event::Frame;
use wire::hash::Hash32;
use wire::id::CentralId;
use wire::mesh::Message;
use wire::page;
use wire::position::{Position, StreamId};

use super::Auditor;
use super::log::{self, Map, position};
use crate::store::StoreError;
use crate::store::findings::{Evidence, Finding};
use crate::writer::repair::{Cure, Step};

/// Between two tellings of the same peer, ms.
const TELL_MS: i64 = 12_000;
/// What did not change is told again after so long, ms: an idle link stays idle.
const TELL_AGAIN_MS: i64 = 600_000;
/// Between two questions for the same event, ms.
const ASK_AGAIN_MS: i64 = 4_000;
/// Events asked for at once.
const FRAMES: usize = 64;
/// Origins a peer may tell of.
const MAX_SITES: usize = 256;

impl Auditor {
    /// Answers sync until the stop.
    pub(super) async fn talks(self) -> anyhow::Result<()> {
        let token = self.inner.shared.shutdown.token();
        let mut writer = self.inner.writer.clone();
        tokio::select! {
            () = token.cancelled() => return Ok(()),
            seen = writer.wait_for(|w| w.writing) => drop(seen?),
        }
        let mut asked = self.inner.shared.bus.serve(subject::LEDGER_AUDIT, subject::LEDGER_GROUP).await?;
        loop {
            // One at a time: the bus's own queue is the bound, and what is dropped there is said again.
            let m = tokio::select! {
                () = token.cancelled() => return Ok(()),
                m = asked.next() => m,
            };
            let Some(m) = m else { return Ok(()) };
            tokio::select! {
                () = token.cancelled() => return Ok(()),
                () = self.answer_sync(m) => {}
            }
        }
    }

    async fn answer_sync(&self, m: Incoming) {
        let said = match decode::<AuditAsk>(&m.payload) {
            Ok(AuditAsk::Tick { connected }) => Ok(self.tick(&connected)),
            Ok(AuditAsk::Heard { from, message }) => match Message::decode(&message) {
                Ok(message) => self.heard(&from, message).await,
                Err(e) => {
                    tracing::warn!(peer = %from, error = %e, "message about the audit cannot be read");
                    Ok(Vec::new())
                }
            },
            Err(e) => {
                tracing::error!(error = %e, "question about the audit cannot be read");
                Ok(Vec::new())
            }
        };
        let said = said.unwrap_or_else(|e| {
            tracing::warn!(error = %e, "message about the audit could not be worked on");
            Vec::new()
        });
        let send = said.into_iter().filter_map(|(to, m)| to_peer(to, &m)).collect();
        match encode(&AuditSay { send }) {
            Ok(b) => m.reply(b).await,
            Err(e) => tracing::error!(error = %e, "answer could not be encoded"),
        }
    }

    /// What time alone asks for: sums for the peers, questions for holders.
    fn tick(&self, connected: &[CentralId]) -> Vec<(CentralId, Message)> {
        let now = self.now();
        let sites = self.digests();
        let mut h = DefaultHasher::new();
        for s in &sites {
            (&s.site, s.tally.events, s.tally.places, s.tally.hashes).hash(&mut h);
            s.cuts.iter().for_each(|c| (c.incarnation, c.to).hash(&mut h));
        }
        let print = h.finish();
        let mut out = Vec::new();
        let mut s = self.state();
        s.told.retain(|peer, _| connected.contains(peer));
        s.exchange.keep(|peer| self.is_configured(peer));
        let super::State { book, exchange, .. } = &mut *s;
        exchange.look_again(book, now);
        for peer in connected {
            let due = match s.told.get(peer) {
                None => true,
                Some((before, at)) if *before == print => now - at >= TELL_AGAIN_MS,
                Some((_, at)) => now - at >= TELL_MS,
            };
            if due && !sites.is_empty() {
                s.told.insert(peer.clone(), (print, now));
                out.push((peer.clone(), Message::AuditDigests(AuditDigests { sites: sites.clone() })));
            }
        }
        let mut wanted: BTreeMap<CentralId, Vec<Position>> = BTreeMap::new();
        for (at, w) in &mut s.wanted {
            if w.asked_at.is_some_and(|t| now - t < ASK_AGAIN_MS) {
                continue;
            }
            // The origin first: nobody knows better. Then the others, one after the other, and again from the start.
            if connected.iter().all(|p| w.tried.contains(p)) {
                w.tried.clear();
            }
            let fresh = |p: &&CentralId| !w.tried.contains(*p);
            let holder = connected.iter().find(|p| **p == at.stream.central).filter(fresh);
            let Some(peer) = holder.or_else(|| connected.iter().find(fresh)) else { continue };
            let asked = wanted.entry(peer.clone()).or_default();
            if asked.len() < FRAMES {
                asked.push(at.clone());
                w.asked_at = Some(now);
                w.tried.insert(peer.clone());
            }
        }
        for (peer, positions) in wanted {
            if let Some(q) = s.exchange.ask(&peer, AuditAbout::Frames { positions }, now) {
                out.push((peer, Message::AuditQuestion(q)));
            }
        }
        out
    }

    fn is_configured(&self, peer: &CentralId) -> bool {
        self.inner.shared.config.current().peer_centrals.iter().any(|p| p.id == *peer)
    }

    fn digests(&self) -> Vec<SiteDigest> {
        let (now, since) = (self.now(), day_of(kit::clock::now_ms()) - 1);
        let s = self.state();
        let sites = s.book.sites().into_iter().take(MAX_SITES);
        sites.filter_map(|site| s.book.digest(&site, &s.book.cuts(&site, now, since))).collect()
    }

    async fn heard(
        &self,
        from: &CentralId,
        message: Message,
    ) -> Result<Vec<(CentralId, Message)>, StoreError> {
        let ask = |q: AuditQuestion| (from.clone(), Message::AuditQuestion(q));
        match message {
            Message::AuditDigests(told) => Ok(self.sums_came(from, &told)),
            Message::AuditQuestion(q) => {
                let found = match self.answer_from_book(&q.about) {
                    Some(found) => found,
                    None => self.answer_from_log(&q.about).await?,
                };
                Ok(vec![(from.clone(), Message::AuditAnswer(AuditAnswer { id: q.id, found }))])
            }
            Message::AuditAnswer(a) => {
                let next = {
                    let (now, mut s) = (self.now(), self.state());
                    let super::State { book, exchange, .. } = &mut *s;
                    exchange.answered(book, from, a.id, a.found, now)
                };
                match next {
                    Next::Nothing => Ok(Vec::new()),
                    Next::Ask(questions) => Ok(questions.into_iter().map(ask).collect()),
                    Next::Rows { stream, chunk, theirs } => {
                        self.rows_differ(from, &stream, chunk, &theirs).await?;
                        Ok(Vec::new())
                    }
                    Next::Page { positions, page } => {
                        self.page_came(from, &positions, &page).await?;
                        Ok(Vec::new())
                    }
                }
            }
            _ => Ok(Vec::new()),
        }
    }

    fn sums_came(&self, from: &CentralId, told: &AuditDigests) -> Vec<(CentralId, Message)> {
        let now = self.now();
        let mut out = Vec::new();
        let mut s = self.state();
        for site in told.sites.iter().take(MAX_SITES) {
            let super::State { book, exchange, .. } = &mut *s;
            if let Some(q) = exchange.heard(book, from, site, now) {
                tracing::error!(peer = %from, site = %site.site, "the same positions are held, and something differs");
                out.push((from.clone(), Message::AuditQuestion(q)));
            }
        }
        if !out.is_empty() {
            // It must look, too: say at the next tick what stands here.
            if let Some((_, at)) = s.told.get_mut(from)
                && now - *at >= TELL_MS
            {
                s.told.remove(from);
            }
        }
        out
    }

    fn answer_from_book(&self, about: &AuditAbout) -> Option<AuditFound> {
        Exchange::answer(&self.state().book, about)
    }

    async fn answer_from_log(&self, about: &AuditAbout) -> Result<AuditFound, StoreError> {
        match about {
            AuditAbout::Events { stream, chunk } => {
                let (rows, _) = self.around(stream, chunk_range(*chunk)).await?;
                let hashes = rows.iter().filter_map(|r| Some((r.seq, whole(r, stream)?.hash())));
                Ok(AuditFound::Events(hashes.collect()))
            }
            AuditAbout::Frames { positions } => {
                let mut frames: Vec<Frame> = Vec::new();
                for p in positions.iter().take(FRAMES) {
                    let (rows, _) = self.around(&p.stream, (p.seq, p.seq)).await?;
                    // Only what is whole is given away.
                    frames.extend(rows.iter().filter_map(|r| whole(r, &p.stream)).cloned());
                }
                if frames.is_empty() {
                    return Ok(AuditFound::Unknown);
                }
                match page::pack(&frames) {
                    Ok((page, _)) => Ok(AuditFound::Frames(page)),
                    Err(e) => Err(StoreError::Damaged(e.to_string())),
                }
            }
            _ => Ok(AuditFound::Unknown),
        }
    }

    /// Rows of one stream and what is held of it, in one snapshot.
    async fn around(
        &self,
        stream: &StreamId,
        range: (u64, u64),
    ) -> Result<(Vec<replication::audit::Row>, Option<(i32, StreamPositions)>), StoreError> {
        let mut conn = self.inner.pool.acquire().await?;
        let mut tx = conn.begin_with("begin isolation level repeatable read read only").await?;
        let map = Map::read(&mut tx).await?;
        let of = map.rows.iter().find_map(|(n, r)| match r {
            Ok((id, held)) if id == stream => Some((*n, held.clone())),
            _ => None,
        });
        let Some((number, held)) = of else { return Ok((Vec::new(), None)) };
        let rows = log::rows(&mut tx, &map, number, range).await?;
        tx.rollback().await?;
        Ok((rows, Some((number, held))))
    }

    /// A peer's hashes of a chunk: located to the position, and judged.
    async fn rows_differ(
        &self,
        from: &CentralId,
        stream: &StreamId,
        chunk: u64,
        theirs: &BTreeMap<u64, BTreeSet<Hash32>>,
    ) -> Result<(), StoreError> {
        let (first, last) = chunk_range(chunk);
        let (rows, of) = self.around(stream, (first, last + 1)).await?;
        let Some((number, held)) = of else { return Ok(()) };
        let mut steps = Vec::new();
        for (seq, theirs) in theirs {
            let mine: BTreeSet<Hash32> = rows
                .iter()
                .filter(|r| r.seq == *seq)
                .filter_map(|r| Some(whole(r, stream)?.hash()))
                .collect();
            let rows_there = rows.iter().any(|r| r.seq == *seq);
            // What is not held is catch-up's, what is damaged in itself is the pass's.
            if !rows_there || mine.is_empty() {
                continue;
            }
            let verdict = judge(&mine, theirs, &named(&rows, stream, &held, *seq));
            let (detail, cure) = match verdict {
                Verdict::Same => continue,
                Verdict::Theirs => {
                    tracing::warn!(peer = %from, position = %position(stream, *seq), "the peer's event is not the one that was written");
                    continue;
                }
                Verdict::Mine => (format!("not the event that was written; {from} holds it"), Cure::Wait),
                Verdict::Fork => (
                    format!("{from} holds another event at this position, and both are whole"),
                    Cure::Suspect { stream: stream.clone(), seq: *seq, held: mine.iter().copied().collect() },
                ),
            };
            steps.push(Step {
                finding: Finding {
                    what: "event_differs",
                    place: format!("{stream}/{seq}"),
                    detail,
                    at: Some(position(stream, *seq)),
                    tag: None,
                    evidence: Evidence::Event { stream: number, seq: *seq as i64, branch: 0 },
                },
                cure,
            });
        }
        self.cure(steps).await;
        Ok(())
    }

    /// Events asked for came: each is proven before it takes the place of a damaged row.
    async fn page_came(&self, from: &CentralId, asked: &[Position], page: &[u8]) -> Result<(), StoreError> {
        let frames = match page::unpack(page) {
            Ok(f) => f,
            Err(e) => {
                tracing::warn!(peer = %from, error = %e, "page of a peer cannot be read");
                return Ok(());
            }
        };
        for frame in frames {
            let at = frame.header().position.clone();
            if asked.contains(&at)
                && let Some(cured) = self.take_bytes(from, &at, frame).await?
            {
                self.cure(cured).await;
            }
        }
        Ok(())
    }

    async fn take_bytes(
        &self,
        from: &CentralId,
        at: &Position,
        frame: Frame,
    ) -> Result<Option<Vec<Step>>, StoreError> {
        let stream = &at.stream;
        let (rows, of) = self.around(stream, (at.seq - 1, at.seq + 1)).await?;
        let Some((number, held)) = of else { return Ok(None) };
        let named = named(&rows, stream, &held, at.seq);
        let before: BTreeSet<Hash32> = rows
            .iter()
            .filter(|r| r.seq + 1 == at.seq)
            .filter_map(|r| Some(whole(r, stream)?.hash()))
            .collect();
        let here: Vec<_> = rows.iter().filter(|r| r.seq == at.seq).collect();
        if here.iter().any(|r| whole(r, stream).is_some_and(|f| f.hash() == frame.hash())) {
            // Both hold the same event: if it is not the one the map names at the head, the map is wrong.
            let map_alone = held.head() == at.seq && held.head_hash() != frame.hash();
            let confirmed = Some(format!("the same event at {from}"));
            let head = Cure::Head { stream: stream.clone(), seq: at.seq, row: frame.hash(), confirmed };
            let evidence = Evidence::Stream(number);
            return Ok(map_alone.then(|| self.cured_by(at, &evidence, &head)).filter(|s| !s.is_empty()));
        }
        // A row that is whole and named by its witnesses is not touched.
        let damaged = here.iter().find(|r| match whole(r, stream) {
            None => true,
            Some(f) => !named.is_empty() && !named.contains(&f.hash()),
        });
        let Some(row) = damaged else { return Ok(None) };
        if !proven(&frame, at, row.hash, &named, &before) {
            tracing::warn!(peer = %from, position = %at, "the peer's event is not proven to be the one that was written");
            return Ok(None);
        }
        let by = format!("bytes of {from}");
        let (seq, branch) = (at.seq as i64, row.branch as i16);
        let evidence = Evidence::Event { stream: number, seq, branch };
        let cure = Cure::Bytes { stream: number, seq, branch, frame: Box::new(frame), by };
        let steps = self.cured_by(at, &evidence, &cure);
        Ok((!steps.is_empty()).then_some(steps))
    }

    /// Every finding about this position, with the one cure for all of them.
    fn cured_by(&self, at: &Position, evidence: &Evidence, cure: &Cure) -> Vec<Step> {
        let s = self.state();
        let of = s.open.iter().filter(|(_, o)| o.at.as_ref() == Some(at));
        of.filter_map(|((what, place), o)| {
            Some(Step {
                finding: Finding {
                    what: super::what(what)?,
                    place: place.clone(),
                    detail: o.detail.clone(),
                    at: Some(at.clone()),
                    tag: o.tag,
                    evidence: evidence.clone(),
                },
                cure: cure.clone(),
            })
        })
        .collect()
    }
}

fn chunk_range(chunk: u64) -> (u64, u64) {
    (chunk.saturating_mul(CHUNK).saturating_add(1), chunk.saturating_add(1).saturating_mul(CHUNK))
}

/// The event of a row that is whole and in its place.
fn whole<'a>(row: &'a replication::audit::Row, stream: &StreamId) -> Option<&'a Frame> {
    let f = row.frame.as_ref().ok()?;
    let p = &f.header().position;
    (p.stream == *stream && p.seq == row.seq && row.hash == Some(f.hash())).then_some(f)
}

/// The hashes that witnesses name for a position: whole events after it, the map at the head and at forks.
fn named(
    rows: &[replication::audit::Row],
    stream: &StreamId,
    held: &StreamPositions,
    seq: u64,
) -> BTreeSet<Hash32> {
    let after = rows.iter().filter(|r| r.seq == seq + 1).filter_map(|r| whole(r, stream));
    let mut all: BTreeSet<Hash32> = after.map(|f| f.header().prev_hash).collect();
    if held.head() == seq && held.head_hash() != Hash32::default() {
        all.insert(held.head_hash());
    }
    all.extend(held.forks().get(&seq).into_iter().flatten().copied());
    all
}

fn to_peer(to: CentralId, message: &Message) -> Option<ToPeer> {
    match message.encode() {
        Ok(message) => Some(ToPeer { to: Some(to), message }),
        Err(e) => {
            tracing::error!(error = %e, "message about the audit could not be encoded");
            None
        }
    }
}
