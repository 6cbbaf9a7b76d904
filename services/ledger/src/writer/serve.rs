//! The loop of rounds: what is queued is worked off, committed, answered and told.

use std::time::{Duration, Instant};

use ::writer::{Asked, Brought, Outcome, Own, Page, Round, Turn, Waiting, Work};
use sqlx::{Connection, PgConnection};
use tokio::time::MissedTickBehavior;
use tracing::Span;
use wire::bus::command::CommandReply;
use wire::bus::events::{ApplyReply, Carried};
use wire::bus::trace::TraceContext;

use super::memory::Memory;
use super::rebuild::Anew;
use super::repair::{self, RepairJob};
use super::round::run;
use super::{Writer, unavailable_because};
use crate::access::{self, AccessJob, Work as AccessWork};
use crate::digest::Days;
use crate::outbox::Out;
use crate::queue::{ApplyJob, CommandJob};
use crate::reference::DocumentJob;
use crate::store::round::{self, Lines};
use crate::store::{StoreError, access as store, answers, heartbeats, projection, reference};
use parking::history::PROJECTION_VERSION;

/// How long a round may take before its outcome counts as unknown.
const ROUND: Duration = Duration::from_secs(10);
/// How long a repair may take: the map of a stream of millions of events may have to be made again.
const REPAIR: Duration = Duration::from_secs(60);
/// How often an idle connection is asked whether it lives.
const PING: Duration = Duration::from_secs(2);
/// A session that lasts so long without anything to write is taken for one that could.
const AT_EASE: Duration = Duration::from_secs(30);
/// How often passages are looked through for time-outs.
const SWEEP: Duration = Duration::from_secs(1);
/// How often old answers are dropped.
const PURGE: Duration = Duration::from_secs(600);
/// How often what lanes say of themselves is written down.
const HEARD: Duration = Duration::from_secs(10);

fn every(period: Duration) -> tokio::time::Interval {
    let mut i = tokio::time::interval(period);
    i.set_missed_tick_behavior(MissedTickBehavior::Delay);
    i
}

impl Writer {
    /// Works off the queue until the stop (`Ok`) or until something unexpected happens.
    pub(super) async fn serve(
        &mut self,
        conn: &mut PgConnection,
        memory: &mut Memory,
    ) -> Result<(), StoreError> {
        let token = self.shared.shutdown.token();
        let (mut ping, mut sweep, mut purge) = (every(PING), every(SWEEP), every(PURGE));
        let (mut heard, mut lanes_heard) = (every(HEARD), self.shared.lanes_heard.clone());
        let mut anew: Option<Anew> = None;
        let began = Instant::now();
        loop {
            if std::mem::take(&mut memory.rules_changed) {
                anew = Some(Anew::default());
            }
            let rows = match memory.state.later.waiting() {
                Waiting::Nothing if anew.is_some() => Waiting::CanWait,
                other => other,
            };
            tokio::select! {
                biased;
                () = token.cancelled() => return self.last_words(conn, memory).await,
                // Few and short, and what they cure may stand in the way of the rest.
                job = self.queue.next_repair() => self.repair(conn, memory, job).await?,
                job = self.queue.next_access() => self.access(conn, memory, job).await?,
                job = self.queue.next_document() => self.document(conn, memory, job).await?,
                _ = sweep.tick() => {
                    memory.metrics.waiting(self.queue.waiting());
                    self.queue.sweep();
                }
                _ = purge.tick() => {
                    let now = kit::clock::now_ms();
                    answers::purge(conn, now).await?;
                    access::purge(conn, now).await?;
                }
                _ = heard.tick() => {
                    let now = lanes_heard.borrow_and_update().clone();
                    heartbeats::save(conn, &now).await?;
                }
                turn = self.queue.next_turn(rows) => match turn {
                    Turn::Front { commands, live, sweep } => {
                        self.front(conn, memory, commands, live, sweep).await?;
                    }
                    Turn::Back(page) => self.back(conn, memory, page).await?,
                    Turn::Later => match anew.take() {
                        Some(all) if memory.state.later.is_empty() => {
                            anew = self.anew(conn, memory, all).await?;
                        }
                        all => {
                            anew = all;
                            self.later(conn, memory).await?;
                        }
                    },
                },
                _ = ping.tick() => {
                    let alive = sqlx::query("select 1").execute(&mut *conn);
                    tokio::time::timeout(ROUND, alive).await.map_err(|_| StoreError::Timeout)??;
                    if began.elapsed() >= AT_EASE {
                        self.no_trouble();
                    }
                }
            }
        }
    }

    /// Before a stop: what waits to be written down.
    async fn last_words(&self, conn: &mut PgConnection, memory: &mut Memory) -> Result<(), StoreError> {
        let came = memory.peers.rest(kit::clock::now_ms());
        if came.is_empty() {
            return Ok(());
        }
        let head = *memory.state.writer.committed();
        let lines = Lines { came: &came, ..Lines::only_head(&head, &head) };
        tokio::time::timeout(ROUND, round::write(conn, &lines)).await.map_err(|_| StoreError::Timeout)?
    }

    /// Makes the rows of some vehicles whose events were stored without.
    async fn later(&mut self, conn: &mut PgConnection, memory: &mut Memory) -> Result<(), StoreError> {
        let work = Work { anew: memory.state.later.step(), ..Work::default() };
        let round = self.round(conn, memory, &work, &[]).await?;
        self.publish(round, &[]);
        Ok(())
    }

    /// A rule changed: rows are made anew some vehicles at a time, when lanes leave time for it. None when all are.
    async fn anew(
        &mut self,
        conn: &mut PgConnection,
        memory: &mut Memory,
        mut anew: Anew,
    ) -> Result<Option<Anew>, StoreError> {
        let tags = anew.next(conn).await?;
        if tags.is_empty() {
            projection::set_version(conn, PROJECTION_VERSION, false).await?;
            tracing::info!("history is judged by the new rules");
            return Ok(None);
        }
        let round = self.round(conn, memory, &Work { anew: tags, ..Work::default() }, &[]).await?;
        self.publish(round, &[]);
        Ok(Some(anew))
    }

    /// A round of commands and live events.
    async fn front(
        &mut self,
        conn: &mut PgConnection,
        memory: &mut Memory,
        commands: Vec<CommandJob>,
        live: Vec<ApplyJob>,
        sweep: bool,
    ) -> Result<(), StoreError> {
        let (began, jobs) = (Instant::now(), (commands.len(), live.len()));
        let ended = {
            let spans: Vec<&Span> = commands.iter().map(|j| &j.span).collect();
            let work = Work {
                commands: commands
                    .iter()
                    .map(|j| Asked { envelope: &j.envelope, peers_asked: j.peers_asked, pin: j.pin })
                    .collect(),
                applies: live.iter().map(|a| Brought { from: &a.from, events: &a.events }).collect(),
                sweep,
                ..Work::default()
            };
            self.round(conn, memory, &work, &spans).await
        };
        self.queue.worked(jobs.0, jobs.1, began.elapsed());
        match ended {
            Ok(mut round) => {
                let traces: Vec<_> = commands.iter().map(|j| kit::trace::context_of(&j.span)).collect();
                for (job, outcome) in commands.into_iter().zip(std::mem::take(&mut round.outcomes)) {
                    self.answer(job, outcome);
                }
                let now = kit::clock::now_ms();
                for (job, mut reply) in live.into_iter().zip(std::mem::take(&mut round.replies)) {
                    memory.metrics.arrived(now, &job.committed_at);
                    reply.refused = job.refused;
                    self.outbox.send(Out::Apply(job.incoming, reply));
                }
                self.publish(round, &traces);
                Ok(())
            }
            Err(e) => {
                // Nobody knows what became of them: each asks again and finds out.
                self.refuse(commands, live, unavailable_because(&e));
                Err(e)
            }
        }
    }

    /// The next chunk of a page; the rest of it waits for its next turn.
    async fn back(
        &mut self,
        conn: &mut PgConnection,
        memory: &mut Memory,
        mut page: Page<ApplyJob>,
    ) -> Result<(), StoreError> {
        let events = &page.job.events[page.chunk()];
        let applies = vec![Brought { from: &page.job.from, events }];
        let work = Work { applies, bulk: page.bulk, ..Work::default() };
        match self.round(conn, memory, &work, &[]).await {
            Ok(mut round) => {
                page.took(std::mem::take(&mut round.replies));
                if let Some(news) = &mut round.news {
                    news.brought = true;
                }
                self.publish(round, &[]);
                if page.is_done() {
                    page.reply.refused = page.job.refused;
                    self.outbox.send(Out::Apply(page.job.incoming, page.reply));
                } else {
                    self.queue.put_back(page);
                }
                Ok(())
            }
            Err(e) => {
                self.refuse(Vec::new(), vec![page.job], unavailable_because(&e));
                Err(e)
            }
        }
    }

    /// A repair of the audit.
    async fn repair(
        &mut self,
        conn: &mut PgConnection,
        memory: &mut Memory,
        job: RepairJob,
    ) -> Result<(), StoreError> {
        let work = repair::work(conn, memory, &self.shared, &job.steps, &job.closed);
        let repaired = tokio::time::timeout(REPAIR, work).await.map_err(|_| StoreError::Timeout)??;
        memory.distrust();
        if repaired.changed {
            self.digests.changed(Days::all());
        }
        if !repaired.holdings.is_empty() {
            // Sync hears what is held now, and catches up what is not.
            self.outbox.send(Out::Stored(wire::bus::state::Stored {
                epoch: memory.state.epoch.clone(),
                after: memory.state.writer.committed().arrival.unsigned_abs(),
                events: Vec::new(),
                holdings: repaired.holdings,
                brought: false,
            }));
        }
        // Nobody may be listening any more.
        drop(job.done.send(repaired.done));
        if repaired.reload { Err(StoreError::Repaired) } else { Ok(()) }
    }

    /// A document of the external API.
    async fn document(
        &mut self,
        conn: &mut PgConnection,
        memory: &Memory,
        job: DocumentJob,
    ) -> Result<(), StoreError> {
        let head = *memory.state.writer.committed();
        let store = async {
            let mut tx = conn.begin().await?;
            round::write(&mut tx, &Lines::only_head(&head, &head)).await?;
            if reference::store(&mut tx, &job.document).await? {
                store::note(&mut tx, &[access::published(&job.document)]).await?;
            }
            tx.commit().await?;
            Ok::<(), StoreError>(())
        };
        tokio::time::timeout(ROUND, store).await.map_err(|_| StoreError::Timeout)??;
        // Nobody may be listening any more.
        let _ = job.done.send(());
        Ok(())
    }

    /// A change of tokens and keys, or acts to write down.
    async fn access(
        &mut self,
        conn: &mut PgConnection,
        memory: &Memory,
        job: AccessJob,
    ) -> Result<(), StoreError> {
        let head = *memory.state.writer.committed();
        let write = async {
            let mut tx = conn.begin().await?;
            round::write(&mut tx, &Lines::only_head(&head, &head)).await?;
            let done = access::work(&mut tx, &job.work, kit::clock::now_ms()).await?;
            if done.is_ok() {
                tx.commit().await?;
            } else {
                tx.rollback().await?;
            }
            Ok::<_, StoreError>(done)
        };
        let done = tokio::time::timeout(ROUND, write).await.map_err(|_| StoreError::Timeout)??;
        if done.is_ok() && !matches!(job.work, AccessWork::Note(_)) {
            self.access.load(conn).await?;
        }
        // Nobody may be listening any more.
        drop(job.done.send(done));
        Ok(())
    }

    async fn round(
        &mut self,
        conn: &mut PgConnection,
        memory: &mut Memory,
        work: &Work<'_>,
        spans: &[&Span],
    ) -> Result<Round, StoreError> {
        let one = run(conn, memory, &self.shared, work, spans);
        let (round, days) = tokio::time::timeout(ROUND, one).await.map_err(|_| StoreError::Timeout)??;
        memory.rules_changed |= round.writes.stale;
        self.digests.changed(days);
        if !round.writes.is_empty() {
            self.no_trouble();
        }
        Ok(round)
    }

    /// It writes again, or could if there were anything.
    fn no_trouble(&self) {
        self.status.send_if_modified(|s| s.trouble.take().is_some());
    }

    /// Tells what a committed round stored. `traces` are those of its commands.
    fn publish(&self, round: Round, traces: &[Option<TraceContext>]) {
        let committed_at = round.writes.now;
        let carried = |own: Own| Carried {
            trace: own.command.and_then(|i| traces.get(i).copied().flatten()),
            committed_at,
            frame: own.frame.bytes().to_vec(),
        };
        let own: Vec<Carried> = round.own.into_iter().map(carried).collect();
        if !own.is_empty() {
            self.outbox.send(Out::Committed(own));
        }
        if let Some(stored) = round.news {
            self.outbox.send(Out::Stored(stored));
        }
    }

    fn answer(&self, job: CommandJob, outcome: Outcome) {
        match outcome {
            Outcome::Reply(reply, _) => self.outbox.send(Out::Command(job.incoming, reply, job.span)),
            Outcome::AskPeers(tag) => {
                crate::bus::ask_peers(&self.shared, self.lanes.clone(), self.outbox.clone(), job, tag);
            }
        }
    }

    /// Answers everything queued: it cannot be done now.
    pub(super) fn refuse_queued(&self) {
        let (commands, applies) = self.queue.drain();
        self.refuse(commands, applies, "the ledger has no database");
    }

    fn refuse(&self, commands: Vec<CommandJob>, applies: Vec<ApplyJob>, why: &str) {
        for job in commands {
            let reply = CommandReply::Unavailable(why.to_owned());
            self.outbox.send(Out::Command(job.incoming, reply, job.span));
        }
        for job in applies {
            let reply = ApplyReply { error: Some(why.to_owned()), ..ApplyReply::default() };
            self.outbox.send(Out::Apply(job.incoming, reply));
        }
    }
}
