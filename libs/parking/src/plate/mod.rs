//! Number plates of Vietnam: from what a camera or a person wrote to a match key.
//!
//! [`read`] never refuses a plate because it looks wrong: what fits no pattern is kept and flagged. The key depends on
//! the letters and digits alone; separators, line breaks and the lane's class only choose among kinds that share it.
//! So two cameras that break the lines differently still find the same car. [`match_entry`] is the other half: which
//! open session an exit belongs to.

mod correct;
mod key;
mod matching;
mod normal;
mod pattern;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use self::key::{BadPlateKey, PlateKey};
pub use self::matching::{Match, is_look_alike, is_one_away, match_entry};
use self::normal::Normal;
use self::pattern::{Fit, Fits};
use crate::vehicle::VehicleClass;

/// The longest text accepted as a plate, in characters.
pub const MAX_CHARS: usize = 64;

/// What people and devices write for "there is no plate".
const NO_PLATE: &[u8] = b"NOPLATE";

/// The only reason to refuse the text of a plate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("plate has {chars} characters, at most {MAX_CHARS} are allowed")]
pub struct PlateTooLong {
    /// How many characters were sent.
    pub chars: usize,
}

/// The family of a plate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlateKind {
    /// `80-441-NG-02`
    Diplomatic,
    /// `29-MĐ1 123.45`
    ElectricMotorbike,
    /// `29LD-123.45`
    Special,
    /// `29-AA 002.33`
    NewMotorbike,
    /// `29-H1 123.45`
    OldMotorbike,
    /// `29A-123.45`
    Car,
    /// `T29-123.45`
    Temporary,
    /// `TM-12-34`
    Military,
    /// Fits no pattern; kept as it is.
    Unknown,
    /// No letter or digit at all, or `NOPLATE`.
    #[serde(rename = "none")]
    NoPlate,
}

impl PlateKind {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Diplomatic => "diplomatic",
            Self::ElectricMotorbike => "electric_motorbike",
            Self::Special => "special",
            Self::NewMotorbike => "new_motorbike",
            Self::OldMotorbike => "old_motorbike",
            Self::Car => "car",
            Self::Temporary => "temporary",
            Self::Military => "military",
            Self::Unknown => "unknown",
            Self::NoPlate => "none",
        }
    }
}

/// What a reader should know about a plate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlateFlag {
    /// More than one pattern fits the groups and the length.
    Ambiguous,
    /// Characters were replaced by their look-alikes so that a pattern fits.
    Corrected,
    /// Fits no pattern, or there is no plate.
    Unverified,
    /// The province code was never issued.
    ProvinceUnassigned,
    /// The key fits only classes the lane does not serve.
    ClassMismatch,
}

impl PlateFlag {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ambiguous => "ambiguous",
            Self::Corrected => "corrected",
            Self::Unverified => "unverified",
            Self::ProvinceUnassigned => "province_unassigned",
            Self::ClassMismatch => "class_mismatch",
        }
    }
}

/// A plate as read, with everything that follows from the text and the lane's classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlateRead {
    /// The text, untouched.
    pub raw: String,
    /// The match key; none for a no-plate session, whose key the caller makes ([`PlateKey::generated`]).
    pub key: Option<PlateKey>,
    /// The form for people; empty without a plate.
    pub display: String,
    /// The family.
    pub kind: PlateKind,
    /// In the order of [`PlateFlag`], each at most once.
    pub flags: Vec<PlateFlag>,
}

impl PlateRead {
    /// Whether the flag was raised.
    #[must_use]
    pub fn has(&self, flag: PlateFlag) -> bool {
        self.flags.contains(&flag)
    }
}

/// Reads a plate at a lane that serves `lane_classes` (empty when the lane is not known, as in a search).
///
/// # Errors
/// Only a text of more than 64 characters is refused.
pub fn read(raw: &str, lane_classes: &[VehicleClass]) -> Result<PlateRead, PlateTooLong> {
    if raw.len() > MAX_CHARS {
        let chars = raw.chars().count();
        if chars > MAX_CHARS {
            return Err(PlateTooLong { chars });
        }
    }
    let normal = Normal::of(raw);
    let chars = normal.chars();
    if chars.is_empty() || chars == NO_PLATE {
        return Ok(PlateRead {
            raw: raw.to_owned(),
            key: None,
            display: String::new(),
            kind: PlateKind::NoPlate,
            flags: vec![PlateFlag::Unverified],
        });
    }
    let fits = Fits::of(chars);
    if !fits.is_empty() {
        return Ok(patterned(raw, chars, &normal, &fits, lane_classes, false));
    }
    if let Some(corrected) = correct::by_mask(chars) {
        let corrected = &corrected[..chars.len()];
        let fits = Fits::of(corrected);
        if !fits.is_empty() {
            return Ok(patterned(raw, corrected, &normal, &fits, lane_classes, true));
        }
    }
    Ok(PlateRead {
        raw: raw.to_owned(),
        key: Some(PlateKey::from_normal(chars)),
        display: normal::tidy(raw),
        kind: PlateKind::Unknown,
        flags: vec![PlateFlag::Unverified],
    })
}

/// Puts together the reading of characters that fit at least one pattern.
fn patterned(
    raw: &str,
    chars: &[u8],
    normal: &Normal,
    fits: &Fits,
    lane_classes: &[VehicleClass],
    corrected: bool,
) -> PlateRead {
    let (fit, ambiguous) = choose(fits, normal, lane_classes);
    let ordered = fit.key_chars(chars);
    let ordered = &ordered[..chars.len()];
    let mut flags = Vec::new();
    if ambiguous {
        flags.push(PlateFlag::Ambiguous);
    }
    if corrected {
        flags.push(PlateFlag::Corrected);
    }
    if fit.province(chars).is_some_and(pattern::is_unassigned) {
        flags.push(PlateFlag::ProvinceUnassigned);
    }
    if !lane_classes.is_empty() && !fits.iter().any(|f| f.serves(lane_classes)) {
        flags.push(PlateFlag::ClassMismatch);
    }
    PlateRead {
        raw: raw.to_owned(),
        key: Some(PlateKey::from_normal(ordered)),
        display: fit.display(ordered, normal),
        kind: fit.kind,
        flags,
    }
}

/// The fit to show, and whether the text left more than one.
///
/// Groups decide first; when they fit nothing (`29A-12-345`) the characters alone do. Among what is left the lane's
/// classes choose, its first class before the next, then the order of the patterns. Without a lane a car is assumed.
fn choose<'f>(fits: &'f Fits, normal: &Normal, lane_classes: &[VehicleClass]) -> (&'f Fit, bool) {
    let wanted = if lane_classes.is_empty() { &[VehicleClass::Car][..] } else { lane_classes };
    let by_groups = fits.iter().filter(|fit| fit.allows(normal.cuts())).count();
    let mut left = fits.iter().filter(|fit| by_groups == 0 || fit.allows(normal.cuts()));
    let first = left.clone().next().unwrap_or(fits.first());
    let fit = wanted.iter().find_map(|&class| left.clone().find(|fit| fit.serves(&[class])));
    let ambiguous = left.nth(1).is_some();
    (fit.unwrap_or(first), ambiguous)
}
