//! Checks a whole bundle: every page, its events, its links, against the manifest.

use std::io::Read;

use super::contents::Contents;
use super::manifest::Manifest;
use super::read::{Reader, Record};
use super::seal::Seal;
use super::{BadBundle, MAX_PARTS};
use crate::hash::Hash32;
use crate::page;

/// A bundle that is whole. Whether to trust it is a question of its seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What it says, and holds.
    pub manifest: Manifest,
    /// SHA-256 of the manifest's bytes.
    pub digest: Hash32,
    /// Who vouches for it.
    pub seal: Seal,
}

/// Reads a bundle to its end; `progress` is told the events after each page. Errors: [`BadBundle`].
pub fn check<R: Read>(source: R, mut progress: impl FnMut(u64)) -> Result<Checked, BadBundle> {
    let mut reader = Reader::new(source)?;
    let mut contents = Contents::default();
    let mut told: Option<(Manifest, Hash32)> = None;
    let mut seal: Option<Seal> = None;
    while let Some(record) = reader.next_record()? {
        match record {
            Record::Page(bytes) => {
                let index = contents.pages().len();
                let frames = page::unpack(&bytes).map_err(|source| BadBundle::Page { index, source })?;
                contents.add(&bytes, &frames)?;
                progress(contents.events());
            }
            Record::Manifest(text) => {
                let manifest: Manifest = json("the manifest", &text)?;
                compare(&manifest, &contents)?;
                told = Some((manifest, Hash32::of(&[&text])));
            }
            Record::Seal(text) => seal = Some(json("the seal", &text)?),
        }
    }
    match (told, seal) {
        (Some((manifest, digest)), Some(seal)) => Ok(Checked { manifest, digest, seal }),
        _ => Err(BadBundle::CutShort { pages: contents.pages().len() }),
    }
}

fn compare(told: &Manifest, held: &Contents) -> Result<(), BadBundle> {
    if let Some(index) = (0..told.pages.len().max(held.pages().len()))
        .find(|&i| told.pages.get(i) != held.pages().get(i) || told.pages.get(i).is_none())
    {
        return Err(BadBundle::OtherPage(index));
    }
    let same = told.streams.len() <= MAX_PARTS
        && told.streams == held.streams()
        && told.events == held.events()
        && told.chain_breaks == held.chain_breaks();
    if same { Ok(()) } else { Err(BadBundle::OtherEvents) }
}

fn json<T: serde::de::DeserializeOwned>(what: &'static str, text: &[u8]) -> Result<T, BadBundle> {
    serde_json::from_slice(text).map_err(|e| BadBundle::Json { what, reason: e.to_string() })
}
