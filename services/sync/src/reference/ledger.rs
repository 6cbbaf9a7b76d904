//! Documents between sync and its own ledger.

use std::time::Duration;

use kit::Bus;
use wire::bus::events::{decode, encode};
use wire::bus::reference::{HeldHere, Origin, PutPart, ReferenceAsk, ReferenceSay};
use wire::bus::subject::LEDGER_REFERENCE;
use wire::reference::{DocumentId, parts_of};

/// Reading is quick or the ledger is away.
const READ: Duration = Duration::from_secs(5);
/// Checking and storing 50 000 passes takes a while.
const STORE: Duration = Duration::from_secs(25);

async fn ask(bus: &Bus, ask: &ReferenceAsk, limit: Duration) -> Result<ReferenceSay, String> {
    let question = encode(ask).map_err(|e| e.to_string())?;
    let answer = bus.request(LEDGER_REFERENCE, question, limit).await.map_err(|e| e.to_string())?;
    match decode(&answer).map_err(|e| e.to_string())? {
        ReferenceSay::Unavailable(why) => Err(why),
        said => Ok(said),
    }
}

const OTHER: &str = "the ledger answered something else";

/// What the ledger holds. Errors: why it cannot be said.
pub(super) async fn held(bus: &Bus) -> Result<Vec<HeldHere>, String> {
    match ask(bus, &ReferenceAsk::Held, READ).await? {
        ReferenceSay::Held(held) => Ok(held),
        _ => Err(OTHER.to_owned()),
    }
}

/// A part of a document; none where it is not held. Errors: why it cannot be read.
pub(super) async fn read(bus: &Bus, document: DocumentId, part: u32) -> Result<Option<Vec<u8>>, String> {
    match ask(bus, &ReferenceAsk::Read { document, part }, READ).await? {
        ReferenceSay::Part(bytes) => Ok(Some(bytes)),
        ReferenceSay::NotHeld => Ok(None),
        _ => Err(OTHER.to_owned()),
    }
}

/// Has a packed document judged and stored: `Taken` or `Refused`. Errors: nobody knows, it is to be tried again.
pub(super) async fn put(bus: &Bus, origin: &Origin, packed: &[u8]) -> Result<ReferenceSay, String> {
    let (upload, parts) = (uuid::Uuid::new_v4().as_u64_pair().0, parts_of(packed.len()));
    for (part, bytes) in (0..parts).zip(packed.chunks(wire::reference::PART_BYTES)) {
        let put = PutPart { upload, part, parts, origin: origin.clone(), bytes: bytes.to_vec() };
        match ask(bus, &ReferenceAsk::Put(put), STORE).await? {
            ReferenceSay::More => {}
            said @ (ReferenceSay::Taken(_) | ReferenceSay::Refused(_)) => return Ok(said),
            _ => return Err(OTHER.to_owned()),
        }
    }
    Err("the ledger wants more than there is".to_owned())
}
