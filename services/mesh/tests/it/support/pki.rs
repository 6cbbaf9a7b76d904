//! Operators' certificate authorities.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};

pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// PEM of one central.
#[derive(Clone)]
pub(crate) struct Issued {
    pub(crate) ca: String,
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "test CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        Self { issuer: CertifiedIssuer::self_signed(params, key).unwrap() }
    }

    fn sign(&self, central: &str, dates: impl FnOnce(&mut CertificateParams)) -> Issued {
        let uri = SanType::URI(format!("parkmesh://central/{central}").try_into().unwrap());
        self.sign_names(vec![uri], dates)
    }

    fn sign_names(&self, mut names: Vec<SanType>, dates: impl FnOnce(&mut CertificateParams)) -> Issued {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "a central");
        names.push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        params.subject_alt_names = names;
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        dates(&mut params);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        Issued { ca: self.issuer.pem(), cert: cert.pem(), key: key.serialize_pem() }
    }

    pub(crate) fn issue(&self, central: &str) -> Issued {
        self.sign(central, |_| {})
    }

    pub(crate) fn issue_expired(&self, central: &str) -> Issued {
        self.sign(central, |params| {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        })
    }

    /// A certificate that ends in so many days.
    pub(crate) fn issue_for(&self, central: &str, days: u32) -> Issued {
        let ms = kit::clock::now_ms().unsigned_abs() + u64::from(days) * 86_400_000;
        self.sign(central, |params| {
            params.not_after = date_time_ymd(1970, 1, 1) + std::time::Duration::from_millis(ms);
        })
    }
}

impl Issued {
    /// The certificate's name on a deny list.
    pub(crate) fn fingerprint(&self) -> String {
        use rustls::pki_types::CertificateDer;
        use rustls::pki_types::pem::PemObject;
        identity::fingerprint(&CertificateDer::from_pem_slice(self.cert.as_bytes()).unwrap()).to_string()
    }

    /// The certificate without the name of a central.
    pub(crate) fn nameless(authority: &Authority) -> Self {
        authority.sign_names(Vec::new(), |_| {})
    }

    pub(crate) fn write(&self, folder: &Path) -> [PathBuf; 3] {
        let files = ["ca.pem", "cert.pem", "key.pem"].map(|n| folder.join(n));
        for (file, text) in files.iter().zip([&self.ca, &self.cert, &self.key]) {
            std::fs::write(file, text).unwrap();
        }
        files
    }
}
