//! Documents: what is taken, what is refused and why, and which table prices what.

mod book;
mod documents;
