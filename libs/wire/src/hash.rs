//! Hashes and tags. SHA-256 throughout; tags are HMAC-SHA-256 cut to 16 bytes.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for b in bytes {
        write!(f, "{b:02x}")?;
    }
    Ok(())
}

fn unhex<const N: usize>(s: &str) -> Option<[u8; N]> {
    if s.len() != 2 * N || !s.is_ascii() {
        return None;
    }
    let mut out = [0u8; N];
    for (i, o) in out.iter_mut().enumerate() {
        *o = u8::from_str_radix(&s[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(out)
}

macro_rules! bytes_type {
    ($(#[$doc:meta])* $t:ident, $n:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $t(pub [u8; $n]);

        impl $t {
            /// Reads bytes of exactly the right length.
            pub fn from_slice(b: &[u8]) -> Option<Self> {
                b.try_into().ok().map(Self)
            }

            /// The bytes.
            pub fn as_bytes(&self) -> &[u8] {
                &self.0
            }
        }

        impl fmt::Display for $t {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                hex(&self.0, f)
            }
        }

        impl fmt::Debug for $t {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                hex(&self.0, f)
            }
        }

        impl std::str::FromStr for $t {
            type Err = BadHex;
            fn from_str(s: &str) -> Result<Self, BadHex> {
                unhex(s).map(Self).ok_or(BadHex { bytes: $n })
            }
        }

        impl Serialize for $t {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                if s.is_human_readable() { s.collect_str(self) } else { self.0.serialize(s) }
            }
        }

        impl<'de> Deserialize<'de> for $t {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                if d.is_human_readable() {
                    let s = std::borrow::Cow::<'de, str>::deserialize(d)?;
                    s.parse().map_err(serde::de::Error::custom)
                } else {
                    <[u8; $n]>::deserialize(d).map(Self)
                }
            }
        }
    };
}

/// Hex of the wrong length or alphabet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be {} hexadecimal characters", bytes * 2)]
pub struct BadHex {
    bytes: usize,
}

bytes_type!(
    /// A SHA-256 value: an event's hash, a row's hash, a digest.
    Hash32, 32
);
bytes_type!(
    /// The keyed hash of a plate key: groups the events of one vehicle without naming it, and survives erasure.
    PlateTag, 16
);
bytes_type!(
    /// What a lane asked for, once: derived from principal, path and idempotency key. The same at every central.
    CommandId, 16
);

impl Hash32 {
    /// SHA-256 over the parts, in order, without separators.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut h = Sha256::new();
        for p in parts {
            h.update(p);
        }
        Self(h.finalize().into())
    }
}

fn short_hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 16] {
    // HMAC takes a key of any length; the error type exists for other MACs only.
    let mut out = [0u8; 16];
    if let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(key) {
        for p in parts {
            mac.update(&(p.len() as u32).to_be_bytes());
            mac.update(p);
        }
        out.copy_from_slice(&mac.finalize().into_bytes()[..16]);
    }
    out
}

impl PlateTag {
    /// The tag of a plate key under the operator's key (`PLATE_KEY_FILE`, the same at all centrals).
    pub fn of(operator_key: &[u8], plate_key: &str) -> Self {
        Self(short_hmac(operator_key, &[b"plate", plate_key.as_bytes()]))
    }
}

impl CommandId {
    /// The id of a request: principal (`edge-7`, `admin`), canonical path, key.
    pub fn of(principal: &str, path: &str, key: &str) -> Self {
        Self(short_hmac(b"parkmesh-command-v1", &[principal.as_bytes(), path.as_bytes(), key.as_bytes()]))
    }
}
