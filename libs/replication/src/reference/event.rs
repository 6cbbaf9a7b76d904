//! What the exchange wants done, and hears.

use wire::id::CentralId;
use wire::mesh::Message;
use wire::reference::{DocumentId, Held};

/// To do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send to a peer, or to every linked one.
    Send {
        /// The peer.
        to: Option<CentralId>,
        /// What.
        message: Message,
    },
    /// Read a part from the ledger; answer with [`super::Exchange::part_read`].
    Read {
        /// Who wants it.
        to: CentralId,
        /// Of which document.
        document: DocumentId,
        /// Which part.
        part: u32,
    },
    /// Have a document stored; answer with [`super::Exchange::stored`].
    Store {
        /// Whose bytes these are.
        peer: CentralId,
        /// What it says of it.
        held: Held,
        /// The packed document.
        packed: Vec<u8>,
    },
}

/// What became of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// It is in force, or one that is better.
    Taken,
    /// It is bad.
    Refused,
    /// The ledger could not be asked.
    Failed,
}
