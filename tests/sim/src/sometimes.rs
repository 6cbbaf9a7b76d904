//! *Sometimes* counters: they show that rare paths really ran. A run over the default seeds in which one stays 0 fails.

macro_rules! rare_paths {
    ($($(#[$doc:meta])* $v:ident = $name:literal,)*) => {
        /// A path that must run sometimes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Rare {
            $($(#[$doc])* $v,)*
        }

        impl Rare {
            /// All of them.
            pub const ALL: &'static [Rare] = &[$(Rare::$v,)*];

            /// The name people read.
            pub fn name(self) -> &'static str {
                match self { $(Rare::$v => $name,)* }
            }
        }
    };
}

rare_paths! {
    /// Both branches of a fork are stored.
    ForkStored = "fork stored",
    /// A missing branch is known from its successor alone.
    BranchSuspected = "missing branch suspected",
    /// Two processes of one central were alive at once, and a peer noticed.
    CloneNoticed = "clone noticed by a peer",
    /// A clone's writer noticed its own stream written elsewhere.
    CloneGaveWay = "writer left a stream written elsewhere",
    /// An event came by catch-up from a central that is not its origin.
    GapFilledByThird = "gap filled by a third node",
    /// A lease ended without an answer.
    LeaseExpired = "lease expired",
    /// A range was asked of another peer after its lease expired.
    LeaseMoved = "lease moved to another peer",
    /// Two centrals opened for one vehicle within the window.
    DuplicateEntry = "duplicate entry at two centrals",
    /// The exit was stored somewhere before its entry.
    ExitBeforeEntry = "exit arrived before its entry",
    /// A time-out ended a session which an exit then revived.
    Revived = "abandoned session revived by an exit",
    /// A writer searched the plates that may be inside, and keeps them since.
    PlatesKept = "plates inside kept",
    /// A passage was ended by its time-out.
    TimedOut = "passage ended by time-out",
    /// A charge made without its entry got its difference.
    LateBasis = "late basis difference",
    /// Stamps of a wrong clock were told and ranked anew.
    ClockOffset = "stamps of a wrong clock ranked anew",
    /// Stamps of a clock not yet measured were still watched by the next process.
    ClockWatchResumed = "clock watched on after a restart",
    /// An event of an unknown kind was relayed by catch-up.
    UnknownRelayed = "unknown kind relayed",
    /// An event of a newer version was stored.
    NewerStored = "newer version stored",
    /// A poison event was stored.
    PoisonStored = "poison event stored",
    /// An upgrade re-applied stored events.
    Upgraded = "re-applied after an upgrade",
    /// An erased form took the place of a full one.
    Erased = "body erased",
    /// A full form came after the erased one and was left.
    FullAfterErased = "full form after the erased one",
    /// Events lost by a restore came back from peers.
    RestoreHealed = "restore healed by peers",
    /// A wiped central got its own events back.
    WipeHealed = "wiped central healed by peers",
    /// Something acknowledged was held only by a destroyed disk.
    LostWithDisk = "lost with the only disk",
    /// A new incarnation opened while commands were waiting.
    IncarnationUnderLoad = "incarnation change under load",
    /// The conditional head refused a commit.
    HeadMoved = "conditional head refused",
    /// The outcome of a commit was unknown and it had happened.
    UnknownButDurable = "unknown outcome, was durable",
    /// The outcome of a commit was unknown and it had not happened.
    UnknownAndLost = "unknown outcome, was lost",
    /// A transaction was refused since no space was left.
    DiskFull = "transaction refused by a full disk",
    /// A transaction took long.
    SlowCommit = "transaction on a slow disk",
    /// A second ledger waited for the lock.
    StandbyWaited = "standby waited for the lock",
    /// And got it.
    StandbyTookOver = "standby took over",
    /// The first one heard of it with a round in hand.
    OldWriterHeard = "writer lost its session in a round",
    /// A crash came between commit and answer.
    CrashBeforeAnswer = "crash between commit and answer",
    /// A crash came between computing a round and its commit.
    CrashBeforeCommit = "crash before commit",
    /// A queue dropped its oldest.
    QueueDropped = "queue overflow",
    /// The ledger's queue refused a job.
    LedgerQueueFull = "ledger queue full",
    /// An exit asked the peers for a vehicle.
    PeersAsked = "peers asked for a vehicle",
    /// And got it.
    PeersHelped = "peers knew the vehicle",
    /// An answer was replayed from the answers kept.
    Replayed = "idempotent replay",
    /// An answer was found by its event alone, recorded at another central.
    ReplayedElsewhere = "idempotent replay at another central",
    /// One command was answered in two ways, by centrals that knew nothing of each other's answer.
    AnsweredTwice = "answered in two ways at two centrals",
    /// A key came again with another lane or plate.
    KeyReused = "key used for something else",
    /// A command was refused.
    CommandRefused = "command refused",
    /// One command was recorded at two centrals and counted once.
    CountedOnce = "command recorded twice, counted once",
    /// A command was refused because its deadline had passed.
    DeadlinePassed = "deadline passed in the queue",
    /// A link died by silence.
    DeadBySilence = "link closed by silence",
    /// A spare link was closed.
    SpareClosed = "spare link closed",
    /// A peer was refused by configuration.
    Refused = "link refused by configuration",
    /// Catch-up reported a stall.
    Stalled = "stall reported",
    /// The own map was read in more than one page.
    MapInPages = "position map read in pages",
    /// An answer took more than one page.
    AnswerInPages = "answer in pages",
    /// A page nobody had asked for was left.
    UnaskedPage = "unasked page left",
    /// A policy event made every node project anew.
    PolicyApplied = "policy applied",
    /// An event was stamped with the central's own offset taken off.
    OffsetTaken = "own clock offset taken off",
    /// A vehicle's stamps were found wrong and are right now: it is judged as any other.
    Restamped = "wrong stamps set right",
    /// A clock fault ranked a vehicle's events against their true order.
    MisRanked = "clock fault exempted a vehicle",
    /// Events of a page were stored first and the rows of their vehicles made later.
    RowsLater = "rows made after their events",
    /// The next process made the rows that the last one had left.
    RowsResumed = "rows left by the last process made",
    /// A vehicle entered that was inside.
    Reentry = "re-entry superseded",
    /// A session was left twice.
    DoubleExit = "double exit",
    /// A scene of the examination went to its end.
    Examined = "scenes examined",
    /// What nobody holds any more was given up.
    RangeGivenUp = "lost range given up",
    /// A command's fate stayed unknown to its lane.
    Maybe = "maybe in the journal",
}

/// How often each ran.
#[derive(Debug, Clone)]
pub struct Sometimes(Vec<u64>);

impl Default for Sometimes {
    fn default() -> Self {
        Self(vec![0; Rare::ALL.len()])
    }
}

impl Sometimes {
    /// It ran.
    pub fn saw(&mut self, what: Rare) {
        self.0[what as usize] += 1;
    }

    /// It ran so many times.
    pub fn count(&self, what: Rare) -> u64 {
        self.0[what as usize]
    }

    /// Adds another world's.
    pub fn add(&mut self, other: &Self) {
        for (a, b) in self.0.iter_mut().zip(&other.0) {
            *a += b;
        }
    }
}
