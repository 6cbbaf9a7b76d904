//! Signing with the key of a central's certificate.

use std::fmt;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::SigningKey;
use wire::bundle::{Hex, Seal, signed_bytes};
use wire::hash::Hash32;

/// Schemes in order of preference: what the common kinds of keys can do.
const SCHEMES: [SignatureScheme; 5] = [
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ED25519,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA512,
];

/// Why a key cannot sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// Not a key this release can use.
    #[error("key cannot be used: {0}")]
    Unusable(String),
    /// Of a kind without a scheme in common.
    #[error("key is of a kind that cannot sign bundles")]
    NoScheme,
    /// Signing failed.
    #[error("signing failed: {0}")]
    Failed(String),
}

/// A central's certificate with its key.
#[derive(Clone)]
pub struct Signer {
    chain: Vec<CertificateDer<'static>>,
    key: Arc<dyn SigningKey>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

impl Signer {
    /// Takes a certificate (with those between it and the CA) and its key. Errors: a key that cannot be used.
    pub fn new(
        provider: &CryptoProvider,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, BadKey> {
        let key = provider.key_provider.load_private_key(key).map_err(|e| BadKey::Unusable(e.to_string()))?;
        Ok(Self { chain, key })
    }

    /// Seals a manifest. Errors: [`BadKey`].
    pub fn seal(&self, manifest: &Hash32) -> Result<Seal, BadKey> {
        let signer = self.key.choose_scheme(&SCHEMES).ok_or(BadKey::NoScheme)?;
        let signature = signer.sign(&signed_bytes(manifest)).map_err(|e| BadKey::Failed(e.to_string()))?;
        Ok(Seal::Certificate {
            scheme: signer.scheme().into(),
            signature: Hex(signature),
            chain: self.chain.iter().map(|c| Hex(c.to_vec())).collect(),
        })
    }
}
