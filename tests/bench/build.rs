//! A new migration must rebuild the competitor's schema.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
