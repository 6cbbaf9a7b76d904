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

    fn sign(&self, central: &str, expired: bool) -> Issued {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, central);
        params.subject_alt_names = vec![
            SanType::URI(format!("parkmesh://central/{central}").try_into().unwrap()),
            SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        ];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        if expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        Issued { ca: self.issuer.pem(), cert: cert.pem(), key: key.serialize_pem() }
    }

    pub(crate) fn issue(&self, central: &str) -> Issued {
        self.sign(central, false)
    }

    pub(crate) fn issue_expired(&self, central: &str) -> Issued {
        self.sign(central, true)
    }
}

impl Issued {
    pub(crate) fn write(&self, folder: &Path) -> [PathBuf; 3] {
        let files = ["ca.pem", "cert.pem", "key.pem"].map(|n| folder.join(n));
        for (file, text) in files.iter().zip([&self.ca, &self.cert, &self.key]) {
            std::fs::write(file, text).unwrap();
        }
        files
    }
}
