//! The match key of a plate.

use serde::{Deserialize, Serialize};

use super::MAX_CHARS;

/// The ASCII key under which a vehicle is found: one to 64 characters of `[0-9A-Z]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PlateKey(String);

/// The text is no plate key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a plate key is 1 to {MAX_CHARS} characters of 0-9 and A-Z")]
pub struct BadPlateKey;

impl PlateKey {
    /// Checks a text that claims to be a key.
    ///
    /// # Errors
    /// [`BadPlateKey`] when it is empty, too long or has other characters than `[0-9A-Z]`.
    pub fn new(text: impl Into<String>) -> Result<Self, BadPlateKey> {
        let text = text.into();
        let fits = !text.is_empty() && text.len() <= MAX_CHARS;
        if fits && text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase()) {
            Ok(Self(text))
        } else {
            Err(BadPlateKey)
        }
    }

    /// The key of a vehicle without a plate: `NP` and eight characters drawn from `random`, which the caller supplies.
    /// The alphabet leaves out I, L, O and U, which people misread.
    #[must_use]
    pub fn generated(random: u64) -> Self {
        const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        let mut text = String::with_capacity(10);
        text.push_str("NP");
        for i in 0..8 {
            text.push(char::from(ALPHABET[(random >> (5 * i) & 31) as usize]));
        }
        Self(text)
    }

    /// Whether the key has the form of [`PlateKey::generated`].
    #[must_use]
    pub fn is_generated(&self) -> bool {
        self.0.len() == 10 && self.0.starts_with("NP")
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// From characters that the normaliser produced.
    pub(super) fn from_normal(chars: &[u8]) -> Self {
        Self(chars.iter().map(|&b| char::from(b)).collect())
    }
}

impl TryFrom<String> for PlateKey {
    type Error = BadPlateKey;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(text)
    }
}

impl std::str::FromStr for PlateKey {
    type Err = BadPlateKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl From<PlateKey> for String {
    fn from(key: PlateKey) -> Self {
        key.0
    }
}

impl std::borrow::Borrow<str> for PlateKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for PlateKey {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for PlateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
