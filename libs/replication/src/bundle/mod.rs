//! What goes into a bundle (a stretch of the log as a file), and how far the making of one has come.

mod cursor;
mod plan;

pub use cursor::Cursor;
pub use plan::{Choice, plan};
