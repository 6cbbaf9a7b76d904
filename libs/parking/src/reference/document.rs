//! Reading a document: limits, shape, then what the shape cannot say.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use wire::reference::DocumentKind;

use super::limits;
use super::pass::{self, Passes};
use super::refused::{Reasons, Refused};
use super::staff::{self, StaffMember};
use crate::tariff::{FieldError, RateTable, Tariff, TariffBook};

/// No version is higher: it must survive every JSON reader.
const MAX_VERSION: i64 = 1 << 53;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<T> {
    version: i64,
    items: Vec<T>,
}

/// The rate tables of one publication.
#[derive(Debug, Clone)]
pub struct FeeConfig {
    /// Version of the document.
    pub version: i64,
    /// Its tables.
    pub tariffs: Vec<Tariff>,
}

/// What a document says.
#[derive(Debug, Clone)]
pub enum Content {
    /// Rate tables.
    RateTables(FeeConfig),
    /// Staff; may be nobody.
    Staff(Vec<StaffMember>),
    /// Passes.
    Subscriptions(Passes),
}

/// A document that was read and found good.
#[derive(Debug, Clone)]
pub struct Read {
    /// Its version, from 1.
    pub version: i64,
    /// How many items it has.
    pub items: usize,
    /// What it says.
    pub content: Content,
    /// The same JSON, without spaces and with sorted keys: two publications that say the same are the same bytes.
    pub canonical: Vec<u8>,
}

/// Reads a document whole.
///
/// # Errors
/// Every reason found; of the shape, only the first.
pub fn read(kind: DocumentKind, json: &[u8]) -> Result<Read, Refused> {
    limits::check(kind, json)?;
    let mut reasons = Reasons::default();
    let (version, items, content) = match kind {
        DocumentKind::RateTables => {
            let d: Document<RateTable> = shape(json)?;
            head(kind, &d, &mut reasons);
            let (version, items) = (d.version, d.items.len());
            (
                version,
                items,
                Content::RateTables(FeeConfig { version, tariffs: tariffs(d.items, &mut reasons) }),
            )
        }
        DocumentKind::Staff => {
            let d: Document<staff::Published> = shape(json)?;
            head(kind, &d, &mut reasons);
            (d.version, d.items.len(), Content::Staff(staff::checked(d.items, &mut reasons)))
        }
        DocumentKind::Subscriptions => {
            let d: Document<pass::Published> = shape(json)?;
            head(kind, &d, &mut reasons);
            let (version, items) = (d.version, d.items.len());
            let passes = pass::checked(d.items, &mut reasons);
            (version, items, Content::Subscriptions(Passes::new(Some(version), passes)))
        }
    };
    reasons.done()?;
    let malformed = |e: serde_json::Error| Refused::one("", "malformed", e.to_string());
    let value: serde_json::Value = serde_json::from_slice(json).map_err(malformed)?;
    let canonical = serde_json::to_vec(&value).map_err(malformed)?;
    Ok(Read { version, items, content, canonical })
}

fn shape<T: DeserializeOwned>(json: &[u8]) -> Result<Document<T>, Refused> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let document = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|e| of_table(crate::tariff::from_path(&e).errors, ""))?;
    deserializer.end().map_err(|e| Refused::one("", "malformed", e.to_string()))?;
    Ok(document)
}

fn of_table(errors: Vec<FieldError>, at: &str) -> Refused {
    let mut reasons = Reasons::default();
    add_all(errors, at, &mut reasons);
    reasons.done().err().unwrap_or_else(|| Refused::one(at, "malformed", "cannot be read"))
}

fn add_all(errors: Vec<FieldError>, at: &str, reasons: &mut Reasons) {
    for e in errors {
        reasons.add(format!("{at}{}", e.field), e.code, e.message);
    }
}

fn head<T>(kind: DocumentKind, d: &Document<T>, reasons: &mut Reasons) {
    let fits = (1..=MAX_VERSION).contains(&d.version);
    reasons.check(fits, || "/version".to_owned(), "out_of_range", "must be at least 1");
    let most = limits::max_items(kind);
    if d.items.len() > most {
        reasons.add(
            "/items",
            "out_of_range",
            format!("has {} items, at most {most} are read", d.items.len()),
        );
    }
}

fn tariffs(items: Vec<RateTable>, reasons: &mut Reasons) -> Vec<Tariff> {
    let mut seen = BTreeSet::new();
    let mut tariffs = Vec::with_capacity(items.len());
    // Checking a legal ceiling prices many stays: not for more tables than are read.
    for (i, table) in items.into_iter().take(limits::max_items(DocumentKind::RateTables)).enumerate() {
        let at = format!("/items/{i}");
        if !seen.insert((table.id.clone(), table.version)) {
            reasons.add(format!("{at}/version"), "duplicate", "id and version must be unique");
        }
        match Tariff::new(table) {
            Ok(t) => tariffs.push(t),
            Err(e) => add_all(e.errors, &at, reasons),
        }
    }
    tariffs
}

/// Whether a publication says something else under a name and version that an earlier one had: a fee must be the same for ever
/// for the table it names. The built-in tables may be replaced under theirs.
///
/// # Errors
/// Names the tables whose version was not raised.
pub fn not_raised(new: &FeeConfig, held: &TariffBook) -> Result<(), Refused> {
    let mut reasons = Reasons::default();
    for (i, t) in new.tariffs.iter().enumerate() {
        let table = t.table();
        let mut earlier =
            held.everything().filter(|(v, _)| v.is_some_and(|v| v != new.version)).flat_map(|(_, all)| all);
        let same = |e: &Tariff| e.table() == table;
        let named = |e: &&Tariff| e.table().id == table.id && e.table().version == table.version;
        reasons.check(
            earlier.find(named).is_none_or(same),
            || format!("/items/{i}/version"),
            "not_raised",
            "another table was published under this id and version: raise the version",
        );
    }
    reasons.done()
}
