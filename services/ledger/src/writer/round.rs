//! A round as the ledger runs it: the shared steps over Postgres, one transaction, and spans around them.

use ::writer::{Here, Notice, Outcome, Random, Round, Work};
use sqlx::PgConnection;
use tracing::Span;
use wire::bus::command::CommandReply;

use super::commit::commit;
use super::log::PgLog;
use super::memory::Memory;
use crate::digest::Days;
use crate::shared::Shared;
use crate::store::StoreError;

/// The machine's own randomness.
struct Machine;

impl Random for Machine {
    fn bits(&mut self) -> u64 {
        rand::random()
    }

    fn wide(&mut self) -> u128 {
        rand::random()
    }
}

/// Works off one round and commits it. Beside it the days of which rows changed. `spans` are those of the commands.
/// After an error nothing was committed, or nobody knows; the memory must be loaded anew.
pub(super) async fn run(
    conn: &mut PgConnection,
    memory: &mut Memory,
    shared: &Shared,
    work: &Work<'_>,
    spans: &[&Span],
) -> Result<(Round, Days), StoreError> {
    let (view, lanes, lots) = (shared.view(), shared.lanes_here(), shared.lots());
    let now = kit::clock::now_ms();
    let reference = shared.reference();
    let covers = memory.clock.look(&mut memory.state.clock, shared, now);
    let here = Here {
        central: &shared.central,
        operator_key: &shared.operator_key,
        clock_offset_ms: shared.clock_offset_ms(),
        covers: &covers,
        reference: &reference,
        lots: &lots,
        view: &view,
        lanes: &lanes,
        catching_up: shared.sync.borrow().catching_up,
        now,
        read: ::writer::fact,
    };
    let apply_spans = apply_spans(work);
    let mut log = PgLog::new(conn, &memory.numbers);
    let round = ::writer::run(&mut log, &mut memory.state, &here, &mut Machine, work).await?;
    let stored = log.rows;
    round.notices.iter().for_each(tell);
    let commit_spans: Vec<Span> = round
        .outcomes
        .iter()
        .zip(spans)
        .filter(|(o, _)| matches!(o, Outcome::Reply(CommandReply::Answer { .. }, _)))
        .map(|(_, span)| tracing::info_span!(parent: *span, "db.commit", otel.kind = "internal", central = %shared.central))
        .collect();
    let (policies, register) = (memory.state.policies.clone(), memory.state.register.clone());
    let days = commit(conn, memory, &here.site(&policies, &register), &round.writes, stored).await?;
    drop(commit_spans);
    drop(apply_spans);
    memory.state.committed(&round.writes, &lanes);
    Ok((round, days))
}

/// One span per live event that carries a trace; it covers the commit.
fn apply_spans(work: &Work<'_>) -> Vec<Span> {
    if !kit::trace::enabled() {
        return Vec::new();
    }
    work.applies
        .iter()
        .flat_map(|b| b.events)
        .filter(|e| e.trace.is_some())
        .map(|e| {
            let h = e.frame.header();
            let span = tracing::info_span!(
                "ledger.event.apply",
                otel.kind = "consumer",
                kind = h.kind.name(),
                position = %h.position,
            );
            kit::trace::set_parent(&span, e.trace);
            span
        })
        .collect()
}

/// What people look for in the log.
fn tell(notice: &Notice) {
    match notice {
        Notice::Fork(at) => tracing::error!(position = %at, "fork: another event stands at this position"),
        Notice::BrokenLink(at) => {
            tracing::error!(position = %at, "the event after this one does not link to what is held here");
        }
        Notice::WrittenElsewhere(stream) => {
            tracing::error!(%stream, "this central's own stream was written by somebody else");
        }
        Notice::NewIncarnation(incarnation) => tracing::info!(%incarnation, "new incarnation"),
        Notice::NotRecorded(what, error) => tracing::error!(what, error, "could not be recorded"),
        Notice::ProjectionFailed(vehicles) => {
            tracing::error!(vehicles, "projection failed, vehicles left out");
        }
        Notice::FullAfterErased(at) => tracing::debug!(position = %at, "full form left, its body is erased"),
        Notice::TimedOut(at) => tracing::debug!(position = %at, "time-out"),
        Notice::LaneCommandOver(at) => tracing::info!(position = %at, "a lane never answered a command"),
        Notice::LateBasis(at) => tracing::debug!(position = %at, "charge difference"),
        Notice::ClockOffset(c) => {
            tracing::warn!(incarnation = %c.incarnation, from = c.from_seq, to = c.to_seq, offset_ms = c.offset_ms, peers = c.peers,
                "events were stamped by a wrong clock, they are ranked anew");
        }
        Notice::AnsweredFromElsewhere(stream) => {
            tracing::debug!(%stream, "answered from another central's event")
        }
    }
}
