//! parkmesh.
fn main() {}
