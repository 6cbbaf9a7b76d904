//! What certificates and requests of this operator look like.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber, date_time_ymd,
};
use wire::id::CentralId;

use crate::secret;

/// A day.
const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);

fn uri(central: &CentralId) -> String {
    format!("parkmesh://central/{central}")
}

#[expect(clippy::disallowed_methods, reason = "a person's tool: certificates begin today")]
fn today() -> jiff::civil::Date {
    jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date()
}

/// From yesterday, for clocks that are behind, for so many days from now.
fn valid_for(params: &mut CertificateParams, days: u32) {
    let today = today();
    let [month, day] = [today.month(), today.day()].map(i8::unsigned_abs);
    let begin = date_time_ymd(today.year().into(), month, day);
    params.not_before = begin - DAY;
    params.not_after = begin + DAY * days;
}

fn serial() -> SerialNumber {
    // 159 bits: positive, and of the length it says.
    let mut bytes: [u8; 20] = rand::random();
    bytes[0] = (bytes[0] & 0x3f) | 0x40;
    SerialNumber::from_slice(&bytes)
}

/// A new authority: certificate and key, PEM.
pub(super) fn authority(name: &str, years: u32) -> anyhow::Result<(String, String)> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    // It signs centrals, and nobody between.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.serial_number = Some(serial());
    valid_for(&mut params, years * 365);
    let key = KeyPair::generate()?;
    let cert = params.self_signed(&key)?;
    Ok((cert.pem(), key.serialize_pem()))
}

/// Writes a request for a central. True when its key was made.
pub(super) fn request(central: &CentralId, key_file: &Path, out: &Path) -> anyhow::Result<bool> {
    let (key, made) = match std::fs::read_to_string(key_file) {
        Ok(pem) => {
            let key = KeyPair::from_pem(&pem);
            (key.with_context(|| format!("{} is no key that can be used", key_file.display()))?, false)
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let key = KeyPair::generate()?;
            secret::new_file(key_file, &key.serialize_pem())?;
            (key, true)
        }
        Err(e) => return Err(e).with_context(|| format!("{} cannot be read", key_file.display())),
    };
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, central.to_string());
    params.subject_alt_names = vec![SanType::URI(uri(central).try_into()?)];
    let pem = params.serialize_request(&key)?.pem()?;
    std::fs::write(out, pem).with_context(|| format!("{} cannot be written", out.display()))?;
    Ok(made)
}

/// The central a request is from: it names one and nothing else. Whoever made it holds the key.
pub(super) fn requested(pem: &str) -> anyhow::Result<(CentralId, CertificateSigningRequestParams)> {
    let request =
        CertificateSigningRequestParams::from_pem(pem).context("is no request, or not signed by its key")?;
    let [SanType::URI(name)] = request.params.subject_alt_names.as_slice() else {
        bail!("must ask for one name, a URI parkmesh://central/<id>, and for nothing else");
    };
    let id = name.as_str().strip_prefix("parkmesh://central/").context("names no central")?;
    let id = CentralId::new(id).context("the central's id")?;
    Ok((id, request))
}

/// Signs a certificate. Of the request only the public key counts: what a certificate says is the authority's to decide.
pub(super) fn approve(
    (ca_pem, key_pem): (&str, &str),
    request_pem: &str,
    central: &CentralId,
    days: u32,
) -> anyhow::Result<String> {
    let (named, request) = requested(request_pem)?;
    ensure!(named == *central, "the request is from {named}, not from {central}: nothing was signed");
    let issuer = Issuer::from_ca_cert_pem(ca_pem, KeyPair::from_pem(key_pem).context("the authority's key")?)
        .context("the authority's certificate")?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, central.to_string());
    params.subject_alt_names = vec![SanType::URI(uri(central).try_into()?)];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    params.serial_number = Some(serial());
    valid_for(&mut params, days);
    Ok(params.signed_by(&request.public_key, &issuer)?.pem())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(s: &str) -> CentralId {
        CentralId::new(s).unwrap()
    }

    fn csr(central: &CentralId, change: impl FnOnce(&mut CertificateParams)) -> String {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::URI(uri(central).try_into().unwrap())];
        change(&mut params);
        params.serialize_request(&KeyPair::generate().unwrap()).unwrap().pem().unwrap()
    }

    #[test]
    fn only_what_was_expected_is_signed() {
        let (ca, key) = authority("op", 1).unwrap();
        let good = csr(&id("central-3"), |_| {});
        assert!(approve((&ca, &key), &good, &id("central-3"), 30).is_ok());
        let refused =
            |pem: &str, central: &str| approve((&ca, &key), pem, &id(central), 30).unwrap_err().to_string();
        assert!(refused(&good, "central-4").contains("is from central-3"));
        let two = csr(&id("central-3"), |p| {
            p.subject_alt_names.push(SanType::URI(uri(&id("central-4")).try_into().unwrap()));
        });
        assert!(refused(&two, "central-3").contains("one name"));
        assert!(refused("nonsense", "central-3").contains("is no request"));
        // A request that wants to be an authority gets a central's certificate all the same.
        let grabs = csr(&id("central-3"), |p| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
        let cert = approve((&ca, &key), &grabs, &id("central-3"), 30);
        assert!(cert.is_err() || !pem_is_ca(&cert.unwrap()), "no authority comes of a request");
    }

    fn pem_is_ca(pem: &str) -> bool {
        Issuer::from_ca_cert_pem(pem, KeyPair::generate().unwrap())
            .is_ok_and(|i| i.key_usages().contains(&KeyUsagePurpose::KeyCertSign))
    }

    #[test]
    fn a_tampered_request_is_none() {
        let good = csr(&id("central-3"), |_| {});
        assert_eq!(requested(&good).unwrap().0, id("central-3"));
        let mut lines: Vec<String> = good.lines().map(str::to_owned).collect();
        let middle = lines.len() / 2;
        lines[middle] = lines[middle].chars().rev().collect();
        assert!(requested(&lines.join("\n")).is_err());
    }
}
