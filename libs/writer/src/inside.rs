//! Plates that may be inside, kept in memory: the search for a plate like the one that was read goes through all of them, and reading them
//! from the store for each search cost more with every car inside.
//!
//! A plate stays in here when its car leaves, so there may be more than are inside, never fewer: whoever finds one loads its vehicle and
//! sees. When too many have gathered, they are read anew.

use std::collections::HashSet;

use parking::history::Projection;
use parking::plate::PlateKey;

use crate::log::Log;

/// So many more than twice what was read may gather before they are read anew.
const MORE: usize = 1024;

/// See the module.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inside {
    /// None until somebody asks.
    keys: Option<HashSet<PlateKey>>,
    most: usize,
}

impl Inside {
    /// The plates of all open sessions, and perhaps some more.
    ///
    /// # Errors
    /// A read failed.
    pub(crate) async fn keys<L: Log>(&mut self, log: &mut L) -> Result<&HashSet<PlateKey>, L::Error> {
        if self.keys.is_none() {
            let read = log.open_plates().await?;
            let keys: HashSet<PlateKey> = read.into_iter().filter_map(|k| PlateKey::new(k).ok()).collect();
            self.most = keys.len() * 2 + MORE;
            self.keys = Some(keys);
        }
        Ok(self.keys.get_or_insert_default())
    }

    /// These rows were committed.
    pub(crate) fn committed(&mut self, projection: &Projection) {
        let Some(keys) = &mut self.keys else { return };
        let open = projection.rows.iter().filter(|r| r.is_open()).filter_map(|r| r.plate_key.as_deref());
        for key in open {
            if !keys.contains(key)
                && let Ok(key) = PlateKey::new(key)
            {
                keys.insert(key);
            }
        }
        if keys.len() > self.most {
            self.clear();
        }
    }

    /// Rows were written by somebody else.
    pub(crate) fn clear(&mut self) {
        self.keys = None;
    }

    /// What is kept; none when nothing is.
    pub(crate) fn kept(&self) -> Option<&HashSet<PlateKey>> {
        self.keys.as_ref()
    }
}
