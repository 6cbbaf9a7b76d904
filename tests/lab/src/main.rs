//! `lab`: real centrals on one machine.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    lab::cli::run().await
}
