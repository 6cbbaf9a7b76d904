//! Why the ledger takes nothing at the moment: the words it answers with. Alarms tell their cause by them.

/// The disk of the database has no room left.
pub const DISK_FULL: &str = "the database has no room left on its disk";
/// The database takes no writes.
pub const READ_ONLY: &str = "the database is read-only";
/// A queue of the ledger is full.
pub const TOO_MUCH: &str = "the ledger has too much to do";
/// Received pages that wait for the ledger fill their queue.
pub const PAGES_WAIT: &str = "too many pages wait";
/// A round took too long.
pub const SLOW: &str = "postgres did not answer in time";
/// The connection broke.
pub const LOST: &str = "the ledger lost its database";
