//! Certificates that count no more, though their time is not over: stolen, or replaced in haste.

use std::collections::BTreeMap;

use rustls::pki_types::CertificateDer;
use wire::hash::Hash32;

/// SHA-256 of a certificate: its name on a deny list.
pub fn fingerprint(cert: &CertificateDer<'_>) -> Hash32 {
    Hash32::of(&[cert.as_ref()])
}

/// A deny list: one fingerprint per line, in hex; what stands behind it is for people. `#` begins a comment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DenyList(BTreeMap<Hash32, String>);

/// A line that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} begins with no SHA-256 of a certificate (64 hex digits)")]
pub struct BadLine {
    /// Counted from 1.
    pub line: usize,
}

impl DenyList {
    /// Reads one. Errors: the first line that cannot be read; half a list is none.
    pub fn parse(text: &str) -> Result<Self, BadLine> {
        let mut all = BTreeMap::new();
        for (n, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (hex, why) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            // As other tools print it, too.
            let hex = hex.replace(':', "").to_ascii_lowercase();
            let print: Hash32 = hex.parse().map_err(|_| BadLine { line: n + 1 })?;
            all.insert(print, why.trim().to_owned());
        }
        Ok(Self(all))
    }

    /// Whether a certificate stands on it.
    pub fn denies(&self, print: &Hash32) -> bool {
        self.0.contains_key(print)
    }

    /// How many stand on it.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True for a list of nobody.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_whole_or_not_at_all() {
        let (a, b) = (Hash32::of(&[b"a"]), Hash32::of(&[b"b"]));
        let colons: Vec<String> = a.as_bytes().iter().map(|x| format!("{x:02X}")).collect();
        let text = format!("# denied\n\n{}  central-3 stolen\n {b}\n", colons.join(":"));
        let list = DenyList::parse(&text).unwrap();
        assert!(list.denies(&a) && list.denies(&b) && !list.denies(&Hash32::of(&[b"c"])));
        assert_eq!((list.len(), list.is_empty()), (2, false));
        assert_eq!(DenyList::parse(&format!("{a}\ncentral-3\n")), Err(BadLine { line: 2 }));
        assert!(DenyList::parse("").unwrap().is_empty());
    }
}
