//! `./bench`: the system and its competitors, side by side.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    bench::cli::run().await
}
