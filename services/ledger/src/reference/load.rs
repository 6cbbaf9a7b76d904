//! From stored documents to what is in force.

use std::sync::Arc;

use parking::reference::{Content, Passes, Reference, StaffList, read};
use parking::tariff::{Publication, RateTableError, TariffBook, builtin};
use wire::reference::{DocumentKind, unpack};

use crate::store::reference::Document;

/// What a kind of document puts in force.
#[derive(Debug)]
pub(super) enum InForce {
    Tariffs(Arc<TariffBook>),
    Staff(Option<Arc<StaffList>>),
    Passes(Arc<Passes>),
}

impl InForce {
    pub(super) fn put_into(self, reference: &mut Reference) {
        match self {
            Self::Tariffs(tariffs) => reference.tariffs = tariffs,
            Self::Staff(staff) => reference.staff = staff,
            Self::Passes(passes) => reference.passes = passes,
        }
    }
}

/// Reads the documents of a kind, newest first. One that this release cannot read is left out, and said so.
pub(super) fn read_all(kind: DocumentKind, documents: &[Document]) -> Result<InForce, RateTableError> {
    let mut contents = documents.iter().filter_map(|d| {
        let version = d.here.held.id.version;
        let json = unpack(kind, &d.body).ok();
        let content = json.and_then(|json| read(kind, &json).ok()).map(|r| r.content);
        if content.is_none() {
            tracing::error!(document = %kind, version, "stored document cannot be read, it is left out");
        }
        content.map(|c| (version, c))
    });
    Ok(match kind {
        DocumentKind::RateTables => {
            let published = contents
                .filter_map(|(_, c)| match c {
                    Content::RateTables(c) => Some(Publication { version: c.version, tariffs: c.tariffs }),
                    _ => None,
                })
                .collect();
            InForce::Tariffs(Arc::new(TariffBook::of(builtin::tables()?, published)))
        }
        DocumentKind::Staff => InForce::Staff(
            contents
                .find_map(|(version, c)| match c {
                    Content::Staff(members) => Some(StaffList::new(version, members).map(Arc::new)),
                    _ => None,
                })
                .flatten(),
        ),
        DocumentKind::Subscriptions => InForce::Passes(
            contents
                .find_map(|(_, c)| match c {
                    Content::Subscriptions(passes) => Some(Arc::new(passes)),
                    _ => None,
                })
                .unwrap_or_default(),
        ),
    })
}
