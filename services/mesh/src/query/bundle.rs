//! Seals of bundles: made with this central's certificate, believed of configured peers and of this central.

use ::identity::{fingerprint, signed_by};
use rustls::pki_types::CertificateDer;
use wire::bundle::{Seal, keyed, keyed_fits};
use wire::bus::bundle::{BundleTrust, SealedBy};
use wire::config::P2pConfig;
use wire::hash::Hash32;
use wire::http::Problem;
use wire::id::CentralId;

use crate::node::Node;
use crate::security::Protection;

fn cannot_seal(why: impl Into<String>) -> Box<Problem> {
    Box::new(Problem::new(409, "cannot_seal_bundle", "This central cannot seal bundles", why))
}

fn not_trusted(why: impl Into<String>) -> Box<Problem> {
    Box::new(Problem::new(422, "bundle_not_trusted", "The bundle is not trusted here", why))
}

/// What bundles are sealed with here. Errors: 409, there is nothing.
pub(super) fn sealer(node: &Node) -> Result<SealedBy, Box<Problem>> {
    match node.security.now() {
        Protection::Tls(_) => Ok(SealedBy::Certificate),
        Protection::Plain | Protection::Off => {
            node.security.operator_key().map_err(cannot_seal)?;
            Ok(SealedBy::OperatorKey)
        }
    }
}

/// Seals a manifest. Errors: 409.
pub(super) fn seal(node: &Node, manifest: &Hash32) -> Result<Seal, Box<Problem>> {
    match node.security.now() {
        Protection::Tls(identity) => identity.signer.seal(manifest).map_err(|e| cannot_seal(e.to_string())),
        Protection::Plain | Protection::Off => {
            let key = node.security.operator_key().map_err(cannot_seal)?;
            Ok(Seal::OperatorKey { mac: keyed(key.expose().as_bytes(), manifest) })
        }
    }
}

/// Whose bundles are taken: this central's own and those of its peers, unless they are disabled.
fn is_welcome(me: &CentralId, config: &P2pConfig, exporter: &CentralId) -> Result<(), String> {
    if exporter == me {
        return Ok(());
    }
    match config.peer_centrals.iter().find(|p| p.id == *exporter) {
        Some(p) if p.disabled => Err(format!("{exporter} is a disabled peer of {me}")),
        Some(_) => Ok(()),
        None => Err(format!("{exporter} is not a configured peer of {me}")),
    }
}

/// Says whether a bundle is to be believed. Errors: 422 with the reason.
pub(super) fn trust(
    node: &Node,
    config: &P2pConfig,
    exporter: &CentralId,
    created_at: i64,
    manifest: &Hash32,
    seal: &Seal,
) -> Result<BundleTrust, Box<Problem>> {
    is_welcome(&node.me, config, exporter).map_err(not_trusted)?;
    match (node.security.now(), seal) {
        (Protection::Tls(identity), Seal::Certificate { scheme, signature, chain }) => {
            let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
            let sealed = (*scheme, signature, &chain[..]);
            let now = kit::clock::now_ms();
            let who = signed_by(&identity.roots, &algorithms, manifest, sealed, created_at, now)
                .map_err(|e| not_trusted(e.to_string()))?;
            let leaf = chain.first().map(|c| fingerprint(&CertificateDer::from(c.0.as_slice())));
            if leaf.is_some_and(|print| identity.denied.denies(&print)) {
                return Err(not_trusted("the certificate that signed it stands on the deny list"));
            }
            if who.central != *exporter {
                let why = format!("it says to come from {exporter}, but {} signed it", who.central);
                return Err(not_trusted(why));
            }
            Ok(BundleTrust { by: SealedBy::Certificate, ended: who.ended })
        }
        (Protection::Tls(_), Seal::OperatorKey { .. }) => Err(not_trusted(
            "it is sealed with the operator's key only, which names no central; this central has certificates and takes signatures",
        )),
        (Protection::Plain | Protection::Off, Seal::Certificate { .. }) => Err(not_trusted(
            "it is signed with a certificate, and this central has no operator's CA to check it against (MESH_TLS_CA_FILE)",
        )),
        (Protection::Plain | Protection::Off, Seal::OperatorKey { mac }) => {
            let key = node.security.operator_key().map_err(not_trusted)?;
            if !keyed_fits(key.expose().as_bytes(), manifest, mac) {
                return Err(not_trusted(
                    "its seal was not made with this operator's key, or the manifest was changed",
                ));
            }
            Ok(BundleTrust { by: SealedBy::OperatorKey, ended: false })
        }
    }
}
