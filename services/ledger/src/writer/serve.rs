//! The loop of rounds: what is queued is gathered, worked off, answered.

use std::collections::HashSet;
use std::time::Duration;

use sqlx::PgConnection;
use wire::bus::command::CommandReply;
use wire::bus::events::ApplyReply;

use super::commands::Outcome;
use super::round::{self, Done, Work};
use super::state::State;
use super::{Writer, rebuild, unavailable};
use crate::outbox::Out;
use crate::queue::{ApplyJob, CommandJob};
use crate::shared::Shared;
use crate::store::{StoreError, answers};

/// Commands of one round at most.
const COMMANDS: usize = 64;
/// Live events of one round at most (a message more or less).
const LIVE_EVENTS: usize = 512;
/// Events of a catch-up page stored in one transaction: bounds how long a command waits behind one.
const BACKLOG_EVENTS: usize = 1000;
/// How long a round may take before its outcome counts as unknown.
const ROUND: Duration = Duration::from_secs(10);
/// How often an idle connection is asked whether it lives.
const PING: Duration = Duration::from_secs(2);
/// How often passages are looked through for time-outs.
const SWEEP: Duration = Duration::from_secs(1);
/// How often old answers are dropped.
const PURGE: Duration = Duration::from_secs(600);

/// A catch-up page on its way, a chunk at a time.
struct Page {
    job: ApplyJob,
    at: usize,
    reply: ApplyReply,
}

/// Edges of this central's own lanes.
pub(super) fn lanes_here(shared: &Shared) -> HashSet<String> {
    shared.config.current().this_central.edges.iter().map(|e| e.id.to_string()).collect()
}

impl Writer {
    /// Works off the queue until the stop (`Ok`) or until something unexpected happens.
    pub(super) async fn serve(
        &mut self,
        conn: &mut PgConnection,
        state: &mut State,
    ) -> Result<(), StoreError> {
        let token = self.shared.shutdown.token();
        let (mut ping, mut sweep, mut purge) =
            (tokio::time::interval(PING), tokio::time::interval(SWEEP), tokio::time::interval(PURGE));
        let mut page: Option<Page> = None;
        loop {
            let (mut commands, mut live, mut swept) = (Vec::new(), Vec::new(), false);
            tokio::select! {
                biased;
                () = token.cancelled() => return Ok(()),
                Some(c) = self.queue.commands.recv() => commands.push(c),
                Some(a) = self.queue.live.recv() => live.push(a),
                _ = sweep.tick() => swept = true,
                _ = purge.tick() => {
                    answers::purge(conn, kit::clock::now_ms()).await?;
                    continue;
                }
                () = std::future::ready(()), if page.is_some() => {}
                Some(job) = self.queue.backlog.recv(), if page.is_none() => {
                    page = Some(Page { job, at: 0, reply: ApplyReply::default() });
                }
                _ = ping.tick() => {
                    let alive = sqlx::query("select 1").execute(&mut *conn);
                    tokio::time::timeout(ROUND, alive).await.map_err(|_| StoreError::Timeout)??;
                    continue;
                }
            }
            self.gather(&mut commands, &mut live);
            if !commands.is_empty() || !live.is_empty() || swept {
                self.front(conn, state, commands, live, swept).await?;
            }
            if page.is_none() {
                page = self.queue.backlog.try_recv().ok().map(|job| Page {
                    job,
                    at: 0,
                    reply: ApplyReply::default(),
                });
            }
            if let Some(p) = page.take() {
                page = self.backlog(conn, state, p).await?;
            }
        }
    }

    fn gather(&mut self, commands: &mut Vec<CommandJob>, live: &mut Vec<ApplyJob>) {
        while commands.len() < COMMANDS {
            let Ok(c) = self.queue.commands.try_recv() else { break };
            commands.push(c);
        }
        let mut events: usize = live.iter().map(|a| a.events.len()).sum();
        while events < LIVE_EVENTS {
            let Ok(a) = self.queue.live.try_recv() else { break };
            events += a.events.len();
            live.push(a);
        }
    }

    /// A round of commands and live events.
    async fn front(
        &mut self,
        conn: &mut PgConnection,
        state: &mut State,
        commands: Vec<CommandJob>,
        live: Vec<ApplyJob>,
        sweep: bool,
    ) -> Result<(), StoreError> {
        let work = Work {
            commands: &commands,
            applies: live.iter().map(|a| (&a.from, &a.events[..])).collect(),
            sweep,
        };
        match self.round(conn, state, &work).await {
            Ok(done) => {
                for (job, outcome) in commands.into_iter().zip(done.outcomes) {
                    self.answer(job, outcome);
                }
                for (job, mut reply) in live.into_iter().zip(done.replies) {
                    reply.refused = job.refused;
                    self.outbox.send(Out::Apply(job.incoming, reply));
                }
                Ok(())
            }
            Err(e) => {
                // Nobody knows what became of them: each asks again and finds out.
                for job in commands {
                    self.outbox.send(Out::Command(
                        job.incoming,
                        CommandReply::Unavailable(unavailable(&e)),
                        job.span,
                    ));
                }
                for job in live {
                    self.refuse(job, &unavailable(&e));
                }
                Err(e)
            }
        }
    }

    /// The next chunk of a page; gives the page back while some of it is left.
    async fn backlog(
        &mut self,
        conn: &mut PgConnection,
        state: &mut State,
        mut page: Page,
    ) -> Result<Option<Page>, StoreError> {
        let end = (page.at + BACKLOG_EVENTS).min(page.job.events.len());
        let chunk = &page.job.events[page.at..end];
        let work = Work { applies: vec![(&page.job.from, chunk)], ..Work::default() };
        match self.round(conn, state, &work).await {
            Ok(done) => {
                for r in done.replies {
                    add(&mut page.reply, r);
                }
            }
            Err(e) => {
                self.refuse(page.job, &unavailable(&e));
                return Err(e);
            }
        }
        page.at = end;
        if page.at < page.job.events.len() {
            return Ok(Some(page));
        }
        page.reply.refused = page.job.refused;
        self.outbox.send(Out::Apply(page.job.incoming, page.reply));
        Ok(None)
    }

    async fn round(
        &mut self,
        conn: &mut PgConnection,
        state: &mut State,
        work: &Work<'_>,
    ) -> Result<Done, StoreError> {
        let lanes = lanes_here(&self.shared);
        let one = round::run(conn, state, &self.shared, &self.outbox, &lanes, work);
        let done = tokio::time::timeout(ROUND, one).await.map_err(|_| StoreError::Timeout)??;
        if done.rebuild {
            rebuild::all(conn, state, &self.shared).await?;
        }
        if done.changed || done.rebuild {
            self.status.send_modify(|s| s.changes += 1);
        }
        Ok(done)
    }

    fn answer(&self, job: CommandJob, outcome: Outcome) {
        match outcome {
            Outcome::Reply(reply) => self.outbox.send(Out::Command(job.incoming, reply, job.span)),
            Outcome::AskPeers(tag) => {
                crate::bus::ask_peers(&self.shared, self.lanes.clone(), self.outbox.clone(), job, tag);
            }
        }
    }

    fn refuse(&self, job: ApplyJob, why: &str) {
        let reply = ApplyReply { error: Some(why.to_owned()), ..ApplyReply::default() };
        self.outbox.send(Out::Apply(job.incoming, reply));
    }

    /// Answers everything queued: it cannot be done now.
    pub(super) fn refuse_queued(&mut self) {
        while let Ok(job) = self.queue.commands.try_recv() {
            let reply = CommandReply::Unavailable("the ledger has no database".to_owned());
            self.outbox.send(Out::Command(job.incoming, reply, job.span));
        }
        while let Ok(job) = self.queue.live.try_recv() {
            self.refuse(job, "the ledger has no database");
        }
        while let Ok(job) = self.queue.backlog.try_recv() {
            self.refuse(job, "the ledger has no database");
        }
    }
}

fn add(all: &mut ApplyReply, r: ApplyReply) {
    all.stored += r.stored;
    all.known += r.known;
    all.poison += r.poison;
    all.forks += r.forks;
    for h in r.holdings {
        all.holdings.retain(|x| x.stream != h.stream);
        all.holdings.push(h);
    }
}
