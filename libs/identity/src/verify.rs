//! Who signed a manifest, under the operator's CA.

use std::time::Duration;

use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore, SignatureScheme};
use wire::bundle::{Hex, signed_bytes};
use wire::hash::Hash32;
use wire::id::CentralId;

use crate::name;

/// Certificates between a central's and the CA at most.
const MAX_CHAIN: usize = 8;

/// Why a signature is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTrusted {
    /// No certificate, or too many.
    #[error("the seal holds {0} certificates, 1 to {MAX_CHAIN} are possible")]
    Chain(usize),
    /// Not under this CA, or not valid at the time.
    #[error("the certificate is not accepted: {0}")]
    Certificate(String),
    /// It names no central.
    #[error("{0}")]
    Name(String),
    /// The signature is not of this key over this manifest.
    #[error("the signature does not fit the manifest")]
    Signature,
}

/// Who signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trusted {
    /// The central the certificate names.
    pub central: CentralId,
    /// The certificate has ended since; it was valid when the bundle was made, by the bundle's own word.
    pub ended: bool,
}

fn at(ms: i64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_millis(u64::try_from(ms).unwrap_or(0)))
}

fn is_about_time(e: &Error) -> bool {
    use CertificateError as C;
    matches!(
        e,
        Error::InvalidCertificate(
            C::Expired | C::ExpiredContext { .. } | C::NotValidYet | C::NotValidYetContext { .. }
        )
    )
}

/// Checks signature and certificate. The certificate must be valid now, or at the time the manifest says it was made: a site
/// without any link cannot renew it, and what it recorded is wanted all the same. Against a stolen old key the operator removes
/// the central from the peers or changes the CA. Times are ms since the epoch. Errors: [`NotTrusted`].
pub fn signed_by(
    roots: &RootCertStore,
    algorithms: &WebPkiSupportedAlgorithms,
    manifest: &Hash32,
    (scheme, signature, chain): (u16, &Hex, &[Hex]),
    created_at: i64,
    now: i64,
) -> Result<Trusted, NotTrusted> {
    let Some((leaf, between)) = chain.split_first().filter(|_| chain.len() <= MAX_CHAIN) else {
        return Err(NotTrusted::Chain(chain.len()));
    };
    let leaf = CertificateDer::from(leaf.0.as_slice());
    let between: Vec<CertificateDer<'_>> =
        between.iter().map(|c| CertificateDer::from(c.0.as_slice())).collect();
    let parsed = ParsedCertificate::try_from(&leaf).map_err(|e| NotTrusted::Certificate(e.to_string()))?;
    let valid =
        |ms| verify_server_cert_signed_by_trust_anchor(&parsed, roots, &between, at(ms), algorithms.all);
    let ended = match valid(now) {
        Ok(()) => false,
        Err(e) if is_about_time(&e) && valid(created_at).is_ok() => true,
        Err(e) => return Err(NotTrusted::Certificate(e.to_string())),
    };
    let central = name::certified(&leaf).map_err(NotTrusted::Name)?;
    let key = name::public_key(&leaf).map_err(NotTrusted::Name)?;
    let scheme = SignatureScheme::from(scheme);
    let message = signed_bytes(manifest);
    let fits = algorithms
        .mapping
        .iter()
        .filter(|(s, _)| *s == scheme)
        .flat_map(|(_, all)| all.iter())
        .any(|a| a.verify_signature(&key, &message, &signature.0).is_ok());
    if fits { Ok(Trusted { central, ended }) } else { Err(NotTrusted::Signature) }
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
        SanType, date_time_ymd,
    };
    use rustls::crypto::ring::default_provider;
    use rustls::pki_types::PrivateKeyDer;
    use wire::bundle::Seal;

    use super::*;
    use crate::Signer;

    const NOW: i64 = 1_793_000_000_000;
    const IN_2020: i64 = 1_590_000_000_000;

    struct Operator {
        issuer: CertifiedIssuer<'static, KeyPair>,
    }

    impl Operator {
        fn new() -> Self {
            let mut params = CertificateParams::default();
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
            Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
        }

        fn roots(&self) -> RootCertStore {
            let mut roots = RootCertStore::empty();
            roots.add(self.issuer.der().clone()).unwrap();
            roots
        }

        fn signer(&self, central: &str, ended: bool) -> Signer {
            let mut params = CertificateParams::default();
            params.subject_alt_names =
                vec![SanType::URI(format!("parkmesh://central/{central}").try_into().unwrap())];
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            if ended {
                params.not_before = date_time_ymd(2020, 1, 1);
                params.not_after = date_time_ymd(2021, 1, 1);
            }
            let key = KeyPair::generate().unwrap();
            let cert = params.signed_by(&key, &self.issuer).unwrap();
            let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
            Signer::new(&default_provider(), vec![cert.der().clone()], key).unwrap()
        }
    }

    fn judge(seal: &Seal, roots: &RootCertStore, digest: &Hash32, made: i64) -> Result<Trusted, NotTrusted> {
        let Seal::Certificate { scheme, signature, chain } = seal else { panic!("{seal:?}") };
        let algorithms = default_provider().signature_verification_algorithms;
        signed_by(roots, &algorithms, digest, (*scheme, signature, chain), made, NOW)
    }

    #[test]
    fn a_seal_names_the_central_of_its_certificate() {
        let operator = Operator::new();
        let digest = Hash32::of(&[b"manifest"]);
        let seal = operator.signer("central-3", false).seal(&digest).unwrap();
        let who = judge(&seal, &operator.roots(), &digest, NOW).unwrap();
        assert_eq!((who.central.as_str(), who.ended), ("central-3", false));
        // Another manifest, another operator, another key's certificate.
        assert_eq!(judge(&seal, &operator.roots(), &Hash32::of(&[b"x"]), NOW), Err(NotTrusted::Signature));
        let stranger = judge(&seal, &Operator::new().roots(), &digest, NOW);
        assert!(matches!(stranger, Err(NotTrusted::Certificate(_))), "{stranger:?}");
        let (Seal::Certificate { scheme, signature, .. }, Seal::Certificate { chain, .. }) =
            (seal, operator.signer("central-4", false).seal(&digest).unwrap())
        else {
            panic!("certificates");
        };
        let mixed = Seal::Certificate { scheme, signature, chain };
        assert_eq!(judge(&mixed, &operator.roots(), &digest, NOW), Err(NotTrusted::Signature));
    }

    #[test]
    fn an_ended_certificate_counts_for_what_was_made_in_its_time() {
        let operator = Operator::new();
        let digest = Hash32::of(&[b"manifest"]);
        let seal = operator.signer("central-3", true).seal(&digest).unwrap();
        assert!(judge(&seal, &operator.roots(), &digest, IN_2020).unwrap().ended);
        let late = judge(&seal, &operator.roots(), &digest, NOW);
        assert!(matches!(late, Err(NotTrusted::Certificate(_))), "{late:?}");
    }

    #[test]
    fn a_damaged_seal_is_refused_and_never_panics() {
        let operator = Operator::new();
        let digest = Hash32::of(&[b"manifest"]);
        let Seal::Certificate { scheme, signature, chain } =
            operator.signer("central-3", false).seal(&digest).unwrap()
        else {
            panic!("a certificate");
        };
        let roots = operator.roots();
        for at in 0..chain[0].0.len() {
            let mut chain = chain.clone();
            chain[0].0[at] ^= 1;
            let seal = Seal::Certificate { scheme, signature: signature.clone(), chain };
            assert!(judge(&seal, &roots, &digest, NOW).is_err(), "certificate byte {at}");
        }
        for at in 0..signature.0.len() {
            let mut signature = signature.clone();
            signature.0[at] ^= 1;
            let seal = Seal::Certificate { scheme, signature, chain: chain.clone() };
            assert!(judge(&seal, &roots, &digest, NOW).is_err(), "signature byte {at}");
        }
        let none = Seal::Certificate { scheme, signature, chain: Vec::new() };
        assert_eq!(judge(&none, &roots, &digest, NOW), Err(NotTrusted::Chain(0)));
    }
}
