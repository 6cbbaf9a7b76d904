//! Writes a bundle piece by piece.

use super::contents::Contents;
use super::manifest::{Manifest, Wanted};
use super::seal::Seal;
use super::{
    BadBundle, KIND_MANIFEST, KIND_PAGE, KIND_SEAL, MAGIC, MAX_MANIFEST_BYTES, MAX_SEAL_BYTES, VERSION,
};
use crate::event::Frame;
use crate::hash::Hash32;
use crate::id::CentralId;
use crate::page;
use crate::position::StreamHoldings;

fn record(kind: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 5);
    out.push(kind);
    // Every kind is bounded far below.
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
    out
}

/// A bundle under way: hands out the file's bytes in order.
#[derive(Debug, Default)]
pub struct Writer {
    contents: Contents,
}

impl Writer {
    /// The first bytes of the file.
    pub fn head() -> Vec<u8> {
        [&MAGIC[..], &[VERSION]].concat()
    }

    /// Events so far.
    pub fn events(&self) -> u64 {
        self.contents.events()
    }

    /// The bytes of one page, and how many of the events from the front went in. Errors: an event no page can hold; more pages or
    /// runs than a bundle may have.
    pub fn page(&mut self, frames: &[Frame]) -> Result<(Vec<u8>, usize), BadBundle> {
        let index = self.contents.pages().len();
        let (page, n) = page::pack(frames).map_err(|source| BadBundle::Page { index, source })?;
        self.contents.add(&page, &frames[..n])?;
        Ok((record(KIND_PAGE, &page), n))
    }

    /// The manifest: its bytes in the file, and the SHA-256 a seal is made over. Errors: larger than its bound.
    pub fn manifest(
        self,
        exporter: CentralId,
        created_at: i64,
        wanted: Wanted,
        positions: Vec<StreamHoldings>,
    ) -> Result<(Vec<u8>, Hash32), BadBundle> {
        let (events, chain_breaks) = (self.contents.events(), self.contents.chain_breaks());
        let (pages, streams) = self.contents.into_parts();
        let mut manifest =
            Manifest { exporter, created_at, wanted, events, chain_breaks, pages, streams, positions };
        let mut text = json("the manifest", &manifest)?;
        if text.len() > MAX_MANIFEST_BYTES {
            // The map is a service to the reader, the rest is the bundle.
            manifest.positions = Vec::new();
            text = json("the manifest", &manifest)?;
        }
        if text.len() > MAX_MANIFEST_BYTES {
            return Err(BadBundle::TooLarge("the manifest"));
        }
        Ok((record(KIND_MANIFEST, &text), Hash32::of(&[&text])))
    }

    /// The last bytes of the file. Errors: larger than its bound.
    pub fn seal(seal: &Seal) -> Result<Vec<u8>, BadBundle> {
        let text = json("the seal", seal)?;
        if text.len() > MAX_SEAL_BYTES {
            return Err(BadBundle::TooLarge("the seal"));
        }
        Ok(record(KIND_SEAL, &text))
    }
}

fn json<T: serde::Serialize>(what: &'static str, value: &T) -> Result<Vec<u8>, BadBundle> {
    serde_json::to_vec(value).map_err(|e| BadBundle::Json { what, reason: e.to_string() })
}
