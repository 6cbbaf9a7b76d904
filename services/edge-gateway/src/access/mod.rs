//! Who gets in, as what, and what they did: tokens and keys the ledger keeps ([`book`], [`follow`]), what each role may do
//! ([`roles`]), the record of acts ([`acts`], [`edits`]), and streams that end with the key they were opened with ([`streams`]).

pub(crate) mod acts;
pub(crate) mod book;
pub(crate) mod edits;
pub(crate) mod follow;
pub(crate) mod roles;
pub(crate) mod streams;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use wire::bus::access::Act;

use self::book::Book;

/// Acts that wait to be written down, at most. Beyond them only the log has them.
const ACTS: usize = 1024;

/// What the gateway knows of tokens and keys, and the acts on their way to the ledger.
#[derive(Debug)]
pub(crate) struct Access {
    book: Mutex<Arc<Book>>,
    /// Where the book is kept over a restart.
    file: Option<PathBuf>,
    acts: mpsc::Sender<Act>,
    /// Configurations that were put, not edited.
    pub(crate) puts: edits::Puts,
}

impl Access {
    /// Nobody is known yet, but those in the file.
    pub(crate) fn new(file: Option<PathBuf>) -> (Self, mpsc::Receiver<Act>) {
        let (acts, waiting) = mpsc::channel(ACTS);
        let book = file.as_deref().and_then(follow::read_file).unwrap_or_default();
        (Self { book: Mutex::new(Arc::new(book)), file, acts, puts: edits::Puts::default() }, waiting)
    }

    /// The book in force.
    pub(crate) fn book(&self) -> Arc<Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn put_in_force(&self, book: Book) {
        *self.book.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(book);
    }
}
