//! Who may get in: people's tokens and lanes' keys. The texts are made and shown once; only their SHA-256 is kept.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::hash::Hash32;

/// What a person's token may do; each role may do all that the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Also works a lane: opens, closes, corrects a plate.
    Attendant,
    /// Also money, rights, rules, lanes, bundles.
    Operator,
    /// Also the configuration, tokens and keys.
    Admin,
}

impl Role {
    /// All of them, the least first.
    pub const ALL: [Role; 4] = [Role::Viewer, Role::Attendant, Role::Operator, Role::Admin];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Attendant => "attendant",
            Role::Operator => "operator",
            Role::Admin => "admin",
        }
    }

    /// The role of a name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.as_str() == name)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who holds a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holder {
    /// A person.
    Person {
        /// As people call them.
        name: String,
        /// What they may do.
        role: Role,
    },
    /// A lane's computer.
    Lanes(Vec<String>),
}

/// A token or key as it is kept. Times are ms since the epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Stands in the text itself, and is no secret.
    pub id: String,
    /// SHA-256 of the text.
    pub hash: Hash32,
    /// Whose it is.
    pub holder: Holder,
    /// What it is for.
    pub note: Option<String>,
    /// Since when.
    pub created_at: i64,
    /// By whom.
    pub created_by: String,
    /// The first moment it is not good any more; none = until it is revoked.
    pub expires_at: Option<i64>,
    /// When somebody revoked it.
    #[serde(default)]
    pub revoked_at: Option<i64>,
    /// Who.
    #[serde(default)]
    pub revoked_by: Option<String>,
}

impl Grant {
    /// True while it opens doors.
    pub fn is_good(&self, now: i64) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

/// What a text is for: it begins with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefix {
    /// A person's token.
    Token,
    /// A lane's key.
    Key,
}

impl Prefix {
    const fn text(self) -> &'static str {
        match self {
            Prefix::Token => "pmt",
            Prefix::Key => "pmk",
        }
    }

    /// The text of a token or key, `pmt_<id>_<secret>`, and its id. 256 random bits are the secret.
    pub fn write(self, id: [u8; 5], secret: [u8; 32]) -> (String, String) {
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let id = hex(&id);
        let text = format!("{}_{id}_{}", self.text(), hex(&secret));
        (text, id)
    }
}

/// The id in a text of this form; none for any other text.
pub fn id_of(text: &str) -> Option<&str> {
    let is_hex = |s: &str, len: usize| {
        s.len() == len && s.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let (prefix, rest) = text.split_once('_')?;
    let (id, secret) = rest.split_once('_')?;
    let known = [Prefix::Token, Prefix::Key].iter().any(|p| p.text() == prefix);
    (known && is_hex(id, 10) && is_hex(secret, 64)).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_names_its_id_and_nothing_else_does() {
        let (text, id) = Prefix::Token.write([0xab; 5], [7; 32]);
        assert!(text.starts_with("pmt_ababababab_0707"), "{text}");
        assert_eq!(id_of(&text), Some(id.as_str()));
        let (key, _) = Prefix::Key.write([1; 5], [0xff; 32]);
        assert_eq!(id_of(&key), Some("0101010101"));
        for bad in ["", "pmt", "pmt_", "pmt__", "pmx_ababababab_07", &text[1..], &text[..text.len() - 1]] {
            assert_eq!(id_of(bad), None, "{bad}");
        }
        assert_eq!(id_of(&text.to_uppercase()), None);
    }

    #[test]
    fn roles_are_ordered_and_named() {
        assert!(Role::ALL.is_sorted());
        for role in Role::ALL {
            assert_eq!(Role::of(role.as_str()), Some(role));
            assert_eq!(serde_json::to_string(&role).unwrap(), format!("\"{role}\""));
        }
        assert_eq!(Role::of("root"), None);
    }

    #[test]
    fn an_end_is_the_first_moment_that_is_too_late() {
        let mut grant = Grant {
            id: "i".into(),
            hash: Hash32::default(),
            holder: Holder::Lanes(vec!["edge-1".into()]),
            note: None,
            created_at: 0,
            created_by: "admin".into(),
            expires_at: Some(10),
            revoked_at: None,
            revoked_by: None,
        };
        assert_eq!([9, 10].map(|now| grant.is_good(now)), [true, false]);
        grant.expires_at = None;
        assert!(grant.is_good(i64::MAX));
        grant.revoked_at = Some(0);
        assert!(!grant.is_good(0));
    }
}
