//! The lab's own certificate authority: one certificate per central, which names it in a URI.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context as _, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};

use crate::layout::{Layout, write_atomically};
use crate::topology::CentralId;

/// Makes the authority and a certificate for each central, unless they are there from an earlier run.
pub(crate) fn make(layout: &Layout, centrals: impl Iterator<Item = CentralId>) -> Result<()> {
    if layout.ca_cert().exists() {
        return Ok(());
    }
    fs::create_dir_all(layout.tls()).context("cannot make the folder for certificates")?;
    let authority = authority()?;
    for central in centrals {
        let key = KeyPair::generate()?;
        let cert = parameters(central)?.signed_by(&key, &authority)?;
        write_atomically(&layout.cert(central), cert.pem().as_bytes())?;
        write_atomically(&layout.key(central), key.serialize_pem().as_bytes())?;
    }
    // Last: its presence says that all are there.
    write_atomically(&layout.ca_cert(), authority.pem().as_bytes())
}

fn authority() -> Result<CertifiedIssuer<'static, KeyPair>> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "parkmesh lab CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

fn parameters(central: CentralId) -> Result<CertificateParams> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, central.to_string());
    params.subject_alt_names = vec![
        SanType::URI(format!("parkmesh://central/{central}").try_into()?),
        SanType::DnsName(central.to_string().try_into()?),
        SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
    ];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}
