//! The documents of a stand-in ledger: it takes what has a version and items, and refuses the rest.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use kit::Bus;
use serde_json::Value;
use tokio::task::JoinHandle;
use wire::bus::events::{decode, encode};
use wire::bus::reference::{HeldHere, Origin, ReferenceAsk, ReferenceSay};
use wire::bus::subject::{LEDGER_GROUP, LEDGER_REFERENCE};
use wire::hash::Hash32;
use wire::http::FieldError;
use wire::id::CentralId;
use wire::reference::{DocumentId, DocumentKind, Held, part, parts_of, unpack};

#[derive(Default)]
pub(crate) struct Shelf {
    held: BTreeMap<DocumentId, (HeldHere, Vec<u8>)>,
    coming: BTreeMap<u64, Vec<u8>>,
    /// Documents that were handed over whole.
    pub(crate) handed_over: usize,
    /// Set: nothing can be stored.
    pub(crate) broken: bool,
}

impl Shelf {
    /// The newest version of a kind.
    pub(crate) fn version(&self, kind: DocumentKind) -> Option<i64> {
        self.held.keys().filter(|id| id.kind == kind).map(|id| id.version).max()
    }

    fn ask(&mut self, me: &CentralId, ask: ReferenceAsk) -> ReferenceSay {
        match ask {
            _ if self.broken => ReferenceSay::Unavailable("broken".to_owned()),
            ReferenceAsk::Held => ReferenceSay::Held(self.held.values().map(|(h, _)| h.clone()).collect()),
            ReferenceAsk::Read { document, part: n } => self
                .held
                .get(&document)
                .and_then(|(_, packed)| part(packed, n))
                .map_or(ReferenceSay::NotHeld, |b| ReferenceSay::Part(b.to_vec())),
            ReferenceAsk::Put(p) => {
                let packed = self.coming.entry(p.upload).or_default();
                packed.extend_from_slice(&p.bytes);
                if p.part + 1 < p.parts {
                    return ReferenceSay::More;
                }
                let packed = self.coming.remove(&p.upload).unwrap();
                self.handed_over += 1;
                self.store(me, p.origin, packed)
            }
        }
    }

    fn store(&mut self, me: &CentralId, origin: Origin, packed: Vec<u8>) -> ReferenceSay {
        let (held, etag) = match origin {
            Origin::Peer { held, .. } => (held, None),
            Origin::Api { kind, etag, fetched_at } => {
                let json: Value = serde_json::from_slice(&unpack(kind, &packed).unwrap()).unwrap_or_default();
                let Some(version) = json["version"].as_i64().filter(|_| json["items"].is_array()) else {
                    let e = FieldError {
                        field: "/version".into(),
                        code: "missing".into(),
                        message: "is missing".into(),
                    };
                    return ReferenceSay::Refused(vec![e]);
                };
                let hash = Hash32([u8::try_from(version).unwrap(); 32]);
                let id = DocumentId { kind, version, hash };
                let parts = parts_of(packed.len());
                (Held { id, parts, fetched_at, fetched_by: me.clone() }, etag)
            }
        };
        self.held.insert(held.id, (HeldHere { held: held.clone(), etag }, packed));
        ReferenceSay::Taken(held)
    }
}

/// Serves one central's bus.
#[derive(Clone, Default)]
pub(crate) struct Documents(Arc<Mutex<Shelf>>);

impl Documents {
    pub(crate) fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().unwrap()
    }

    pub(crate) async fn serve(&self, me: CentralId, bus: &Bus) -> JoinHandle<()> {
        let mut asked = bus.serve(LEDGER_REFERENCE, LEDGER_GROUP).await.unwrap();
        let documents = self.clone();
        tokio::spawn(async move {
            while let Some(m) = asked.next().await {
                let said = documents.shelf().ask(&me, decode(&m.payload).unwrap());
                m.reply(encode(&said).unwrap()).await;
            }
        })
    }
}
