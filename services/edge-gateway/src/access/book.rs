//! The tokens and keys that open doors, as the ledger last said.

use std::collections::HashMap;
use std::sync::Arc;

use subtle::ConstantTimeEq;
use wire::access::Grant;
use wire::hash::Hash32;

/// See the module.
#[derive(Debug, Clone, Default)]
pub(crate) struct Book {
    /// The ledger's name for this state; none before it ever said one.
    pub(crate) print: Option<Hash32>,
    grants: HashMap<String, Arc<Grant>>,
}

impl Book {
    /// The book of a print.
    pub(crate) fn of(print: Hash32, grants: Vec<Grant>) -> Self {
        let grants = grants.into_iter().map(|g| (g.id.clone(), Arc::new(g))).collect();
        Self { print: Some(print), grants }
    }

    /// Who holds a text of this id and hash now. The id is no secret; hashes are compared in constant time.
    pub(crate) fn find(&self, id: &str, hash: &Hash32, now: i64) -> Option<&Arc<Grant>> {
        let grant = self.grants.get(id)?;
        let same = bool::from(grant.hash.as_bytes().ct_eq(hash.as_bytes()));
        (same && grant.is_good(now)).then_some(grant)
    }

    /// All of them, by id.
    pub(crate) fn grants(&self) -> Vec<Grant> {
        let mut all: Vec<Grant> = self.grants.values().map(|g| g.as_ref().clone()).collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all
    }
}

#[cfg(test)]
mod tests {
    use wire::access::{Holder, Role};

    use super::*;

    #[test]
    fn a_text_opens_with_its_own_hash_until_its_end() {
        let hash = |text: &str| Hash32::of(&[text.as_bytes()]);
        let grant = |id: &str, text: &str, expires_at| Grant {
            id: id.to_owned(),
            hash: hash(text),
            holder: Holder::Person { name: "An".to_owned(), role: Role::Viewer },
            note: None,
            created_at: 0,
            created_by: "admin".to_owned(),
            expires_at,
            revoked_at: None,
            revoked_by: None,
        };
        let book = Book::of(Hash32::default(), vec![grant("a", "one", None), grant("b", "two", Some(10))]);
        let opens = |id, text, now| book.find(id, &hash(text), now).is_some();
        assert!(opens("a", "one", 1_000) && opens("b", "two", 9));
        assert!(!opens("a", "two", 0), "another's text");
        assert!(!opens("b", "two", 10), "ended");
        assert!(!opens("c", "one", 0), "unknown id");
        assert_eq!(book.grants().len(), 2);
    }
}
