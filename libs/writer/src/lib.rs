//! The rounds of a central's one writer: what was queued becomes one transaction, and answers and news follow its commit.
//!
//! Nothing here waits, draws or looks at a clock by itself. [`Queue`] says what the next round takes; [`run`] works it off in memory,
//! reading through [`Log`], and gives the [`Writes`] of one transaction; the caller commits them and then tells the [`State`]
//! (`committed`) and the world ([`Round::outcomes`], [`Round::replies`], [`Round::own`], [`Round::news`]). After anything
//! unexpected (a failed read, a failed commit, an outcome nobody knows) the caller drops the state, loads a new one under the
//! lock, and a new incarnation begins with the next append.
//!
//! The ledger runs this over Postgres, the simulator over its store: the same lines.

mod append;
mod cases;
pub mod closure;
mod decide;
mod due;
mod fair;
mod gather;
mod generations;
mod here;
mod inside;
mod later;
mod log;
mod news;
mod notice;
mod queue;
mod reading;
mod rebuild;
mod recent;
mod round;
mod state;
mod take;
mod work;
mod writes;

pub use gather::Gather;
pub use generations::{Generations, Weight};
pub use here::{Here, Random};
pub use later::{Behind, Later, Waiting};
pub use log::{Facts, Log};
pub use notice::Notice;
pub use queue::{Bounds, Page, Queue, Turn};
pub use reading::fact;
pub use rebuild::rebuild;
pub use round::{Own, Round, run};
pub use state::State;
pub use work::{Arrived, Asked, Brought, Outcome, Work};
pub use writes::{Answer, CameFrom, Erased, NewEvent, Writes};
