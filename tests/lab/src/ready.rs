//! Waiting for things, always with a deadline and a reason.

use std::fs;
use std::future::Future;
use std::path::Path;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

/// Polls until the check answers `Ok`, or the time is over; then the last reason why not.
///
/// # Errors
/// The reason of the last try.
pub async fn until<T, F, E>(patience: Duration, mut check: impl FnMut() -> F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let deadline = Instant::now() + patience;
    let mut pause = Duration::from_millis(5);
    loop {
        match check().await {
            Ok(value) => return Ok(value),
            Err(reason) if Instant::now() >= deadline => return Err(reason),
            Err(_) => {}
        }
        sleep(pause).await;
        // Quick answers stay quick; long waits do not eat the CPU the others need.
        pause = (pause * 2).min(Duration::from_millis(200));
    }
}

/// Whether a NATS server greets on this port.
pub(crate) async fn nats_greets(port: u16) -> bool {
    let greet = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        let mut greeting = [0; 5];
        stream.read_exact(&mut greeting).await.ok()?;
        (&greeting == b"INFO ").then_some(())
    };
    timeout(Duration::from_secs(1), greet).await.ok().flatten().is_some()
}

/// Asks `/readyz`; the reason when it is not ready.
pub(crate) async fn readyz(http: &reqwest::Client, health: &str) -> Result<(), String> {
    let request = http.get(format!("{health}/readyz")).timeout(Duration::from_secs(2));
    match request.send().await {
        Ok(response) if response.status().is_success() => Ok(()),
        Ok(response) => {
            let status = response.status();
            let body = response.text().await.unwrap_or_default();
            Err(format!("/readyz answers {status} {}", body.trim()))
        }
        Err(_) => Err(format!("nothing answers {health}/readyz")),
    }
}

/// The last lines of a log, indented, for an error message.
pub(crate) fn tail(log: &Path) -> String {
    const LINES: usize = 12;
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default();
    let shown: String = last.iter().map(|line| format!("\n    {line}")).collect();
    let nothing = if shown.is_empty() { " (empty)" } else { "" };
    format!("\n  last lines of {}:{nothing}{shown}", log.display())
}
