//! Reference documents: what the external API publishes, checked here and kept in Postgres, in force in memory.
//!
//! Sync brings them in parts ([`upload`]), from the external API or from a peer. A whole one is judged ([`judge`]), stored by the
//! writer, read back ([`load`]) and put in force for the next round. A document that is refused changes nothing.

mod judge;
mod load;
mod upload;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kit::Incoming;
use sqlx::{PgConnection, PgPool};
use tokio::sync::oneshot;
use wire::bus::events::{decode, encode};
use wire::bus::reference::{Origin, PutPart, ReferenceAsk, ReferenceSay};
use wire::reference::{DocumentKind, part};

use self::judge::Judged;
use self::upload::{Part, Uploads};
use crate::queue::Lanes;
use crate::shared::Shared;
use crate::store::StoreError;
use crate::store::reference::{self as store, Document};

/// How long the writer may take to store a document before its outcome counts as unknown.
const STORE: Duration = Duration::from_secs(15);

/// A document for the writer to store.
#[derive(Debug)]
pub struct DocumentJob {
    /// The document.
    pub document: Document,
    /// Told after the commit.
    pub done: oneshot::Sender<()>,
}

/// See the module. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Keeper {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared: Shared,
    pool: PgPool,
    lanes: Arc<Lanes>,
    uploads: Mutex<Uploads>,
    /// One document at a time.
    storing: tokio::sync::Mutex<()>,
}

/// Why a document was not stored.
#[derive(Debug, thiserror::Error)]
enum NotStored {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Other(&'static str),
}

impl From<sqlx::Error> for NotStored {
    fn from(e: sqlx::Error) -> Self {
        Self::Store(e.into())
    }
}

impl Keeper {
    /// A keeper that has loaded nothing yet.
    pub fn new(shared: Shared, pool: PgPool, lanes: Arc<Lanes>) -> Self {
        let (uploads, storing) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { inner: Arc::new(Inner { shared, pool, lanes, uploads, storing }) }
    }

    /// Puts everything that is stored in force.
    pub async fn load(&self, conn: &mut PgConnection) -> Result<(), StoreError> {
        for kind in DocumentKind::ALL {
            let documents = store::of_kind(conn, kind).await?;
            self.put_in_force(kind, documents).await;
        }
        Ok(())
    }

    async fn put_in_force(&self, kind: DocumentKind, documents: Vec<Document>) {
        let read = tokio::task::spawn_blocking(move || load::read_all(kind, &documents)).await;
        match read {
            Ok(Ok(in_force)) => self.inner.shared.change_reference(|r| in_force.put_into(r)),
            Ok(Err(e)) => tracing::error!(document = %kind, error = %e, "documents not put in force"),
            Err(e) => tracing::error!(document = %kind, error = %e, "documents not put in force"),
        }
    }

    /// Answers sync.
    pub async fn answer(&self, incoming: Incoming) {
        let said = match decode::<ReferenceAsk>(&incoming.payload) {
            Ok(ask) => self.ask(ask).await,
            Err(e) => ReferenceSay::Unavailable(e.to_string()),
        };
        match encode(&said) {
            Ok(bytes) => incoming.reply(bytes).await,
            Err(e) => tracing::error!(error = %e, "answer about a document could not be encoded"),
        }
    }

    async fn ask(&self, ask: ReferenceAsk) -> ReferenceSay {
        let said = match ask {
            ReferenceAsk::Held => self.held().await,
            ReferenceAsk::Read { document, part: n } => self.read(&document, n).await,
            ReferenceAsk::Put(p) => self.put(p).await,
        };
        said.unwrap_or_else(|e| {
            tracing::warn!(error = %e, "documents are out of reach");
            ReferenceSay::Unavailable(e.to_string())
        })
    }

    async fn held(&self) -> Result<ReferenceSay, NotStored> {
        Ok(ReferenceSay::Held(store::held(&mut *self.inner.pool.acquire().await?).await?))
    }

    async fn read(&self, id: &wire::reference::DocumentId, n: u32) -> Result<ReferenceSay, NotStored> {
        let body = store::body(&mut *self.inner.pool.acquire().await?, id).await?;
        let bytes = body.as_deref().and_then(|b| part(b, n));
        Ok(bytes.map_or(ReferenceSay::NotHeld, |b| ReferenceSay::Part(b.to_vec())))
    }

    async fn put(&self, p: PutPart) -> Result<ReferenceSay, NotStored> {
        let taken = self.inner.uploads.lock().unwrap_or_else(PoisonError::into_inner).take(p);
        let (packed, origin) = match taken {
            Part::More => return Ok(ReferenceSay::More),
            Part::OutOfOrder => return Err(NotStored::Other("a part is missing: begin again")),
            Part::Last(packed, origin) => (packed, origin),
        };
        let _one = self.inner.storing.lock().await;
        let kind = origin_kind(&origin);
        let held = store::held(&mut *self.inner.pool.acquire().await?).await?;
        let (reference, central) = (self.inner.shared.reference(), self.inner.shared.central.clone());
        let now = kit::clock::now_ms();
        let judged = tokio::task::spawn_blocking(move || {
            judge::judge(&packed, origin, &held, &reference.tariffs, &central, now)
        });
        match judged.await.map_err(|_| NotStored::Other("the document could not be read"))? {
            Judged::Refused(errors) => {
                // Values of a document may be plates and hashes: only where it is wrong is said here.
                let fields: Vec<&str> = errors.iter().map(|e| e.field.as_str()).collect();
                tracing::warn!(document = %kind, ?fields, "document refused, the last good one stays");
                Ok(ReferenceSay::Refused(errors))
            }
            Judged::Held(held) => Ok(ReferenceSay::Taken(held)),
            Judged::New(document) => self.store(kind, *document).await,
        }
    }

    async fn store(&self, kind: DocumentKind, document: Document) -> Result<ReferenceSay, NotStored> {
        let (held, items) = (document.here.held.clone(), document.items);
        let (done, stored) = oneshot::channel();
        self.inner
            .lanes
            .document(DocumentJob { document, done })
            .map_err(|_| NotStored::Other(wire::bus::reason::TOO_MUCH))?;
        let outcome = tokio::time::timeout(STORE, stored).await;
        outcome
            .map_err(|_| NotStored::Other(wire::bus::reason::SLOW))?
            .map_err(|_| NotStored::Other(wire::bus::reason::LOST))?;
        let documents = store::of_kind(&mut *self.inner.pool.acquire().await?, kind).await?;
        self.put_in_force(kind, documents).await;
        tracing::info!(document = %kind, version = held.id.version, items, "document in force");
        Ok(ReferenceSay::Taken(held))
    }
}

fn origin_kind(origin: &Origin) -> DocumentKind {
    match origin {
        Origin::Api { kind, .. } => *kind,
        Origin::Peer { held, .. } => held.id.kind,
    }
}
