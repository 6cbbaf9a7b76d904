//! parkmesh.

pub mod plate;
pub mod vehicle;
