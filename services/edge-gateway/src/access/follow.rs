//! Keeping the book current: the ledger is asked again and again; while it is away the last word stands.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use kit::Shutdown;
use wire::bus::access::{AccessAsk, BookReply};

use super::book::Book;
use crate::ask::{self, PART_BUDGET};
use crate::gateway::Gateway;

/// How often the ledger is asked: what is revoked at another gateway opens nothing here within a second.
const LOOK: Duration = Duration::from_millis(400);

/// Asks the ledger now. While it is away the last word stands.
pub(crate) async fn refresh(gw: &Gateway) {
    let known = gw.access().book().print;
    let Ok(raw) = gw.doors(&AccessAsk::Book { known }, PART_BUDGET).await else { return };
    let Ok(BookReply { print, grants: Some(grants) }) = ask::read(&raw, "no_ledger") else { return };
    let book = Book::of(print, grants);
    if let Some(file) = gw.access().file.clone() {
        let kept = book.clone();
        let wrote = tokio::task::spawn_blocking(move || write_file(&file, &kept)).await;
        if let Ok(Err(e)) = wrote {
            tracing::warn!(error = %e, "ACCESS_CACHE_FILE cannot be written: after a restart without ledger no key is known");
        }
    }
    gw.access().put_in_force(book);
}

/// Asks the ledger again and again.
pub(crate) fn follow(gw: &Gateway, shutdown: &Shutdown) {
    let (gw, token) = (gw.clone(), shutdown.token());
    shutdown.spawn("access", async move {
        loop {
            refresh(&gw).await;
            tokio::select! {
                () = token.cancelled() => return Ok(()),
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    });
}

/// The book as it was when this gateway last knew it. A file that is not one is none.
pub(super) fn read_file(file: &Path) -> Option<Book> {
    let text = std::fs::read(file).ok()?;
    match serde_json::from_slice::<BookReply>(&text) {
        Ok(kept) => Some(Book::of(kept.print, kept.grants.unwrap_or_default())),
        Err(e) => {
            tracing::warn!(file = %file.display(), line = e.line(), "ACCESS_CACHE_FILE cannot be read");
            None
        }
    }
}

/// Written beside and then moved: whoever reads it reads all of it. Only this account may.
fn write_file(file: &Path, book: &Book) -> std::io::Result<()> {
    let kept = BookReply { print: book.print.unwrap_or_default(), grants: Some(book.grants()) };
    let beside = file.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    let mut out = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    out.write_all(&serde_json::to_vec(&kept)?)?;
    out.sync_all()?;
    std::fs::rename(&beside, file)
}
