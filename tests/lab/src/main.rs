//! parkmesh lab.
fn main() {}
