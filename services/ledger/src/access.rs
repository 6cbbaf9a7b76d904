//! Tokens, keys, and the record of what people did: asked for by the gateway, written by the writer, held in memory.
//!
//! Served only while the writer lock is held, so that nobody is told of a book that is not in force.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kit::Incoming;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use sqlx::{Connection, PgConnection, PgPool};
use tokio::sync::oneshot;
use uuid::Uuid;
use wire::access::Grant;
use wire::bus::access::{AccessAsk, Act, BookReply, Replaced};
use wire::bus::query::QueryReply;
use wire::hash::Hash32;
use wire::http::{Page, Problem};

use crate::query::{NoAnswer, bad_field, cursor};
use crate::queue::Lanes;
use crate::store::StoreError;
use crate::store::access::{self as store, Refusal, Wanted};
use crate::store::reference::Document;

/// How long the writer may take before its outcome counts as unknown.
const WRITE: Duration = Duration::from_secs(10);
/// How long ended tokens and the record of acts are kept, ms: as long as events are by default.
const KEPT_MS: i64 = 400 * 86_400_000;

/// What the writer is to do, in one transaction.
#[derive(Debug)]
pub enum Work {
    /// A new token or key.
    Add(Box<Grant>, Option<Replaced>, Box<Act>),
    /// One ends.
    Revoke(String, Option<String>, Box<Act>),
    /// Acts to write down.
    Note(Vec<Act>),
}

/// Work for the writer.
#[derive(Debug)]
pub struct AccessJob {
    /// What is to be done.
    pub work: Work,
    /// Told after the commit.
    pub done: oneshot::Sender<Result<Option<Grant>, Refusal>>,
}

/// See the module. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Access {
    pool: PgPool,
    lanes: Arc<Lanes>,
    book: Arc<Mutex<BookReply>>,
}

/// What a gateway is answered when it cannot be done now.
fn unavailable(why: &str) -> Problem {
    let mut p = Problem::new(503, "no_ledger", "The ledger cannot answer now", why);
    p.retry_after_s = Some(1);
    p
}

fn reply<T: Serialize>(value: &T) -> Result<Box<RawValue>, NoAnswer> {
    Ok(to_raw_value(value).map_err(|_| unavailable("the answer could not be written"))?)
}

impl Access {
    /// Nothing is loaded yet.
    pub fn new(pool: PgPool, lanes: Arc<Lanes>) -> Self {
        Self { pool, lanes, book: Arc::default() }
    }

    /// Reads the book again.
    pub async fn load(&self, conn: &mut PgConnection) -> Result<(), StoreError> {
        let grants = store::good(conn, kit::clock::now_ms()).await?;
        let bytes = serde_json::to_vec(&grants).map_err(|e| StoreError::Damaged(e.to_string()))?;
        let book = BookReply { print: Hash32::of(&[&bytes]), grants: Some(grants) };
        *self.book.lock().unwrap_or_else(PoisonError::into_inner) = book;
        Ok(())
    }

    fn book(&self, known: Option<Hash32>) -> BookReply {
        let book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let grants = if known == Some(book.print) { None } else { book.grants.clone() };
        BookReply { print: book.print, grants }
    }

    /// Answers a gateway.
    pub async fn answer(&self, incoming: Incoming) {
        let said = match incoming.json::<AccessAsk>() {
            Ok(ask) => self.ask(ask).await,
            Err(e) => {
                let why = e.to_string();
                Err(Problem::new(400, "malformed_query", "The question cannot be read", why).into())
            }
        };
        let said = match said {
            Ok(body) => QueryReply::Ok(body),
            Err(NoAnswer::Problem(p)) => QueryReply::Problem(*p),
            Err(NoAnswer::Store(e)) => {
                tracing::warn!(error = %e, "tokens and keys are out of reach");
                QueryReply::Problem(unavailable("postgres is out of reach"))
            }
        };
        incoming.reply_json(&said).await;
    }

    async fn ask(&self, ask: AccessAsk) -> Result<Box<RawValue>, NoAnswer> {
        match ask {
            AccessAsk::Book { known } => reply(&self.book(known)),
            AccessAsk::List { edge_id, limit, cursor } => {
                self.list(edge_id.as_deref(), limit, cursor.as_deref()).await
            }
            AccessAsk::Add { grant, replaces, act } => {
                reply(&self.write(Work::Add(grant, replaces, act)).await?)
            }
            AccessAsk::Revoke { id, edge_id, act } => {
                reply(&self.write(Work::Revoke(id, edge_id, act)).await?)
            }
            AccessAsk::Note(acts) => reply(&self.write(Work::Note(acts)).await?),
            AccessAsk::Acts { action, who, from, to, limit, cursor } => {
                self.acts(&Wanted { action, who, from, to }, limit, cursor.as_deref()).await
            }
        }
    }

    async fn list(
        &self,
        edge_id: Option<&str>,
        limit: u32,
        after: Option<&str>,
    ) -> Result<Box<RawValue>, NoAnswer> {
        let after = after.map(cursor::read).transpose()?;
        let limit = limit.clamp(1, 500) as usize;
        let mut conn = self.pool.acquire().await?;
        let mut items = store::list(&mut conn, edge_id, limit as i64 + 1, after).await?;
        let more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = items.last().filter(|_| more).map(|g| cursor::write(g.created_at, &g.id));
        reply(&Page { items, next_cursor })
    }

    async fn acts(
        &self,
        wanted: &Wanted,
        limit: u32,
        after: Option<&str>,
    ) -> Result<Box<RawValue>, NoAnswer> {
        let after = match after.map(cursor::read).transpose()? {
            Some((at, id)) => Some((
                at,
                id.parse::<Uuid>().map_err(|_| {
                    bad_field("cursor", "invalid_value", "must be a next_cursor of this central")
                })?,
            )),
            None => None,
        };
        let limit = limit.clamp(1, 500) as usize;
        let mut conn = self.pool.acquire().await?;
        let mut items = store::acts(&mut conn, wanted, limit as i64 + 1, after).await?;
        let more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = items.last().filter(|_| more).map(|a| cursor::write(a.at, &a.id.to_string()));
        reply(&Page { items, next_cursor })
    }

    /// Has the writer do it.
    async fn write(&self, work: Work) -> Result<Option<Grant>, NoAnswer> {
        let key = matches!(&work, Work::Add(_, Some(_), _) | Work::Revoke(_, Some(_), _));
        let (done, told) = oneshot::channel();
        self.lanes.access(AccessJob { work, done }).map_err(|_| unavailable(wire::bus::reason::TOO_MUCH))?;
        let told = tokio::time::timeout(WRITE, told)
            .await
            .map_err(|_| unavailable(wire::bus::reason::SLOW))?
            .map_err(|_| unavailable(wire::bus::reason::LOST))?;
        Ok(told.map_err(|refusal| match refusal {
            Refusal::Unknown if key => {
                Problem::new(404, "unknown_key", "No such key", "this edge has no key of this id")
            }
            Refusal::Unknown => Problem::new(404, "unknown_token", "No such token", "no token has this id"),
            Refusal::TooMany => Problem::new(
                409,
                "too_many_keys",
                "Too many are good at once",
                "1000 tokens and keys, 8 keys of one edge; revoke some",
            ),
        })?)
    }
}

/// Prices, staff or passes came in: for the record, as if somebody had done it.
pub(crate) fn published(document: &Document) -> Act {
    let held = &document.here.held;
    let from = document.came_from.as_ref();
    Act {
        id: Uuid::new_v4(),
        at: document.stored_at,
        who: from.map_or_else(|| "external-api".to_owned(), ToString::to_string),
        name: None,
        role: None,
        address: None,
        action: "reference.publish".to_owned(),
        target: Some(held.id.kind.to_string()),
        status: 200,
        result: "ok".to_owned(),
        detail: Some(format!("version {}, fetched by {}", held.id.version, held.fetched_by)),
    }
}

/// Does the work of a job in a transaction. A refusal leaves nothing behind but what it says.
pub(crate) async fn work(
    conn: &mut PgConnection,
    work: &Work,
    now: i64,
) -> Result<Result<Option<Grant>, Refusal>, StoreError> {
    let done = match work {
        Work::Note(acts) => return store::note(conn, acts).await.map(|()| Ok(None)),
        Work::Add(grant, replaces, act) => {
            let added = store::add(conn, grant, replaces.as_ref(), now).await?;
            added.map(|g| (g, act))
        }
        Work::Revoke(id, edge_id, act) => {
            let ended = store::revoke(conn, id, edge_id.as_deref(), &act.who, now).await?;
            ended.map(|g| (g, act))
        }
    };
    match done {
        Ok((grant, act)) => {
            store::note(conn, std::slice::from_ref(act.as_ref())).await?;
            Ok(Ok(Some(grant)))
        }
        Err(refusal) => Ok(Err(refusal)),
    }
}

/// Forgets what is too old.
pub(crate) async fn purge(conn: &mut PgConnection, now: i64) -> Result<(), StoreError> {
    let mut tx = conn.begin().await?;
    store::purge(&mut tx, now.saturating_sub(KEPT_MS)).await?;
    Ok(tx.commit().await?)
}
