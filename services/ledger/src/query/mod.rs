//! Questions, answered from the read pool.

mod conflicts;
pub(crate) mod cursor;
mod fee;
mod forks;
mod history;
mod lanes;
mod lost_ranges;
pub(crate) mod occupancy;
mod passback;
mod policies;
mod reference;
mod replay;
mod rights;
pub mod session;
mod status;
mod storage;
mod stream;

use std::sync::Arc;

use kit::Incoming;
use parking::decision::Terms;
use parking::fact::Fact;
use parking::history::{Policies, Projection};
use parking::rights::Register;
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::{PgConnection, PgPool};
use tokio::sync::watch;
use wire::alarm::AlarmNow;
use wire::bus::query::{LedgerQuery, QueryReply};
use wire::hash::PlateTag;
use wire::http::{FieldError, Problem};

use crate::audit::Auditor;
use crate::digest::Digests;
use crate::shared::Shared;
use crate::store::{StoreError, closure, events, peers, streams};
use crate::writer::WriterStatus;
use parking::world::World;

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// For the asker.
    #[error("{}", .0.code)]
    Problem(Box<Problem>),
    /// Postgres.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Problem> for NoAnswer {
    fn from(p: Problem) -> Self {
        Self::Problem(Box::new(p))
    }
}

impl From<sqlx::Error> for NoAnswer {
    fn from(e: sqlx::Error) -> Self {
        Self::Store(e.into())
    }
}

/// What questions are answered with.
#[derive(Debug, Clone)]
pub struct Reader {
    /// Everybody's.
    pub shared: Shared,
    /// This process, random.
    pub process: Arc<str>,
    /// The read pool.
    pub pool: PgPool,
    /// What the writer does.
    pub writer: watch::Receiver<WriterStatus>,
    /// The digest of history and conflicts.
    pub digests: Digests,
    /// One replay at a time: it reads a lot.
    pub replays: Arc<tokio::sync::Semaphore>,
    /// The audit.
    pub audit: Auditor,
    /// What the disk is measured against.
    pub budget: crate::storage::Budget,
    /// Alarms about the disk.
    pub disk: watch::Receiver<Vec<AlarmNow>>,
}

impl Reader {
    /// Answers one question.
    pub async fn answer(&self, incoming: Incoming) {
        let reply = match incoming.json::<LedgerQuery>() {
            Err(e) => QueryReply::Problem(Problem::new(
                400,
                "malformed_query",
                "The question cannot be read",
                e.to_string(),
            )),
            Ok(q) => match self.ask(q).await {
                Ok(body) => QueryReply::Ok(body),
                Err(NoAnswer::Problem(p)) => QueryReply::Problem(*p),
                Err(NoAnswer::Store(e)) => {
                    tracing::warn!(error = %e, "question could not be answered");
                    let mut p = Problem::new(
                        503,
                        "no_ledger",
                        "The ledger cannot answer now",
                        "postgres is out of reach",
                    );
                    p.retry_after_s = Some(1);
                    QueryReply::Problem(p)
                }
            },
        };
        incoming.reply_json(&reply).await;
    }

    async fn ask(&self, query: LedgerQuery) -> Result<Box<RawValue>, NoAnswer> {
        match query {
            LedgerQuery::History { plate, statuses, from, to, central, lot_id, flags, limit, cursor } => {
                let filter = history::Filter::new(self, plate, statuses, from, to, central, lot_id)?
                    .with_flags(&flags);
                json(&history::page(self, &filter, limit, cursor.as_deref()).await?)
            }
            LedgerQuery::Session { event_id } => json(&session::find(self, &event_id).await?),
            LedgerQuery::Quote { plate, lost_credential, discounts } => {
                let terms = Terms { lost_credential, discounts: &discounts };
                json(&fee::quote(self, &plate, terms).await?)
            }
            LedgerQuery::Calculate {
                rate_table,
                entry,
                exit,
                vehicle_class,
                rights,
                lost_credential,
                discounts,
            } => {
                let wanted = fee::Wanted {
                    rate_table,
                    entry,
                    exit,
                    vehicle_class,
                    rights,
                    lost_credential,
                    discounts,
                };
                let (reference, view) = (self.shared.reference(), self.shared.view());
                let calculated = move || fee::calculate(&reference, &view, &wanted);
                // A whole table may take a while to be checked: not where lanes are answered.
                match tokio::task::spawn_blocking(calculated).await {
                    Ok(quote) => json(&quote?),
                    Err(_) => Err(Problem::new(500, "internal", "Internal error", "not calculated").into()),
                }
            }
            LedgerQuery::Occupancy { lot_id } => json(&occupancy::now(self, lot_id.as_deref()).await?),
            LedgerQuery::OccupancyCorrections { limit, cursor } => {
                json(&occupancy::corrections(self, limit, cursor.as_deref()).await?)
            }
            LedgerQuery::Lists { kind, plate, all, limit, cursor } => {
                json(&rights::lists(self, kind, plate.as_deref(), all, limit, cursor.as_deref()).await?)
            }
            LedgerQuery::Passes { plate, all, limit, cursor } => {
                json(&rights::passes(self, plate.as_deref(), all, limit, cursor.as_deref()).await?)
            }
            LedgerQuery::Passback { credential, plate, limit, cursor } => {
                let one = passback::One::new(self, credential, plate.as_deref())?;
                json(&passback::page(self, one, limit, cursor.as_deref()).await?)
            }
            LedgerQuery::Conflicts { limit, cursor } => {
                json(&conflicts::page(self, limit, cursor.as_deref()).await?)
            }
            LedgerQuery::Stream { after, limit } => json(&stream::page(self, after.as_deref(), limit).await?),
            LedgerQuery::LostRanges => json(&lost_ranges::all(self).await?),
            LedgerQuery::Storage => json(&storage::view(self).await?),
            LedgerQuery::Status => json(&status::now(self).await?),
            LedgerQuery::Identity => json(&status::identity(self)),
            LedgerQuery::PeerTimes => json(&peers::times(&mut *self.pool.acquire().await?).await?),
            LedgerQuery::Policies => json(&policies::list(self).await?),
            LedgerQuery::Replay { policy, from, to, limit, cursor } => {
                json(&replay::run(self, &policy, from, to, limit, cursor.as_deref()).await?)
            }
            LedgerQuery::Audit { site, days, findings } => {
                json(&self.audit.view(site.as_deref(), days, findings).await?)
            }
            LedgerQuery::AuditNow => json(&self.audit.run_now()),
            LedgerQuery::Reference { document, limit, cursor } => {
                reference::page(self, document, limit, cursor.as_deref()).await
            }
            LedgerQuery::LaneModes => json(&lanes::modes(self).await?),
            LedgerQuery::LaneCommands { edge_id, limit } => {
                json(&lanes::commands(self, &edge_id, limit).await?)
            }
            LedgerQuery::Unresolved { days, central, limit } => {
                json(&lanes::unresolved(self, days, central.as_deref(), limit).await?)
            }
            LedgerQuery::LanesHeard => json(&lanes::heard(self).await?),
        }
    }
}

fn json<T: Serialize>(value: &T) -> Result<Box<RawValue>, NoAnswer> {
    serde_json::value::to_raw_value(value).map_err(|e| StoreError::Damaged(e.to_string()).into())
}

/// 422 for a field of the query string.
pub(crate) fn bad_field(field: &str, code: &str, message: &str) -> NoAnswer {
    Problem::invalid(vec![FieldError {
        field: format!("/{field}"),
        code: code.to_owned(),
        message: message.to_owned(),
    }])
    .into()
}

/// Facts and projection of all that belongs to some plates.
async fn vehicles(conn: &mut PgConnection, tags: &[PlateTag]) -> Result<(World, Projection), NoAnswer> {
    let numbers = streams::numbers(conn).await?;
    let mut world = World::new(policies(conn).await?);
    for f in closure::load(conn, &numbers, &tags.iter().copied().collect()).await? {
        world.add(f, false);
    }
    world.prepare(tags);
    let projection = world.view(tags).into_owned();
    Ok((world, projection))
}

/// The register as it stands.
async fn register(conn: &mut PgConnection) -> Result<Register, StoreError> {
    let offsets = policies(conn).await?;
    Ok(Register::of(&events::register(conn).await?, offsets.offsets()))
}

/// The rules in force.
pub(crate) async fn policies(conn: &mut PgConnection) -> Result<Policies, StoreError> {
    Ok(Policies::of(&rules(conn).await?))
}

/// The events that say how others are judged.
pub(crate) async fn rules(conn: &mut PgConnection) -> Result<Vec<Fact>, StoreError> {
    let rows = sqlx::query(events::POLICIES).fetch_all(conn).await?;
    let mut facts = Vec::new();
    for r in rows {
        facts.extend(::writer::fact(&events::frame(&r, 0)?));
    }
    Ok(facts)
}
