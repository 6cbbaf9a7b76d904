//! The seal: who vouches for a manifest.

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Sha256;

use crate::hash::Hash32;

/// What is signed begins with this, so that a signature made for anything else never fits a bundle, nor the other way round.
const PURPOSE: &[u8] = b"parkmesh/bundle/1\0";

/// Bytes that are hex in JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hex(pub Vec<u8>);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0.iter().map(|b| format!("{b:02x}")).collect::<String>())
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        let digit = |c: u8| char::from(c).to_digit(16).and_then(|n| u8::try_from(n).ok());
        let pairs = text.as_bytes().chunks(2);
        let bytes = pairs.map(|p| match p {
            [a, b] => Some(digit(*a)? << 4 | digit(*b)?),
            _ => None,
        });
        bytes.collect::<Option<_>>().map(Self).ok_or_else(|| serde::de::Error::custom("must be hexadecimal"))
    }
}

/// A seal over a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Seal {
    /// Signed with the key of the central's mesh certificate.
    Certificate {
        /// TLS signature scheme (RFC 8446, 4.2.3), 1027 = ECDSA with P-256 and SHA-256.
        scheme: u16,
        /// The signature over [`signed_bytes`].
        signature: Hex,
        /// The certificate, then those between it and the operator's CA, DER.
        chain: Vec<Hex>,
    },
    /// Keyed hash with the operator's key, where links are plain text. It names no central: anyone with the key can make it.
    OperatorKey {
        /// HMAC-SHA-256 over [`signed_bytes`].
        mac: Hash32,
    },
}

/// What a seal is made over, by the SHA-256 of the manifest's bytes.
pub fn signed_bytes(manifest: &Hash32) -> Vec<u8> {
    [PURPOSE, manifest.as_bytes()].concat()
}

fn mac_of(operator_key: &[u8], manifest: &Hash32) -> Option<Hmac<Sha256>> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(operator_key).ok()?;
    mac.update(&signed_bytes(manifest));
    Some(mac)
}

/// The keyed hash of a manifest.
pub fn keyed(operator_key: &[u8], manifest: &Hash32) -> Hash32 {
    // HMAC takes a key of any length; the error type exists for other MACs only.
    mac_of(operator_key, manifest).map_or_else(Hash32::default, |m| Hash32(m.finalize().into_bytes().into()))
}

/// True when a keyed hash is this manifest's. Compares in constant time.
pub fn keyed_fits(operator_key: &[u8], manifest: &Hash32, mac: &Hash32) -> bool {
    mac_of(operator_key, manifest).is_some_and(|m| m.verify_slice(mac.as_bytes()).is_ok())
}
