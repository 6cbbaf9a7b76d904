//! A new migration must rebuild the ledger.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
