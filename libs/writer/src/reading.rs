//! From frame to fact, with the bounds a row can hold. What makes an event poison depends on its own bytes alone.

use parking::fact::Fact;
use wire::event::{Body, Frame};

/// Longest name, alias or plate key a row takes, bytes. An origin never writes longer ones: plates have at most 64 characters,
/// edges at most 64.
const LONGEST: usize = 256;

/// Reads a frame for the projection. The error is the reason why it is poison.
pub fn fact(frame: &Frame) -> Result<Fact, String> {
    let fact = Fact::of(frame).map_err(|e| e.to_string())?;
    let long = match fact.body.as_deref() {
        Some(Body::EntryPending(b)) => too_long(&b.plate.key, &b.edge_id),
        Some(Body::Exit(b)) => too_long(&b.plate.key, &b.edge_id),
        Some(Body::PlateCorrected(b)) => too_long(&b.plate.key, ""),
        Some(Body::ListEntrySet(b)) => too_long(&b.plate.key, &b.id),
        Some(Body::PassSet(b)) => b.plates.iter().any(|p| too_long(&p.key, &b.id)),
        _ => false,
    };
    if long { Err("a name in the body is too long".to_owned()) } else { Ok(fact) }
}

fn too_long(key: &str, edge: &str) -> bool {
    key.len() > LONGEST || edge.len() > LONGEST
}
