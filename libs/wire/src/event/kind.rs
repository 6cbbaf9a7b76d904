//! Kinds of events. Numbers are for ever; names are what people read.

use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($($(#[$doc:meta])* $v:ident = $n:literal, $name:literal;)*) => {
        /// What happened. An unknown number is kept as [`Kind::Unknown`]: stored, relayed, left out of the projection.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind {
            $($(#[$doc])* $v,)*
            /// A kind of a later version.
            Unknown(u16),
        }

        impl Kind {
            /// The number on the wire.
            pub fn code(self) -> u16 {
                match self { $(Kind::$v => $n,)* Kind::Unknown(n) => n }
            }

            /// The kind of a number.
            pub fn from_code(n: u16) -> Self {
                match n { $($n => Kind::$v,)* n => Kind::Unknown(n) }
            }

            /// The name people read.
            pub fn name(self) -> &'static str {
                match self { $(Kind::$v => $name,)* Kind::Unknown(_) => "UNKNOWN" }
            }

            /// The kind of a name.
            pub fn from_name(s: &str) -> Option<Self> {
                match s { $($name => Some(Kind::$v),)* _ => None }
            }

            /// Every kind this version knows.
            pub const ALL: &'static [Kind] = &[$(Kind::$v,)*];
        }
    };
}

kinds! {
    /// An entry barrier opened: a session begins, not yet real.
    EntryPending = 1, "VEHICLE_ENTRY_PENDING";
    /// The car passed the entry's safety loop.
    EntryConfirmed = 2, "VEHICLE_ENTRY_CONFIRMED";
    /// It backed out, or nothing came in time.
    EntryAbandoned = 3, "VEHICLE_ENTRY_ABANDONED";
    /// An exit barrier opened: the charge is made.
    Exit = 4, "VEHICLE_EXIT";
    /// The car passed the exit's loop.
    ExitConfirmed = 5, "VEHICLE_EXIT_CONFIRMED";
    /// It reversed at the exit: inside again, the charge pending.
    ExitAbandoned = 6, "VEHICLE_EXIT_ABANDONED";
    /// A person corrected the plate of an opening.
    PlateCorrected = 10, "PLATE_CORRECTED";
    /// A person voided a session.
    Voided = 11, "SESSION_VOIDED";
    /// A person forgave money.
    Waived = 12, "FEE_WAIVED";
    /// A person set a price by hand.
    PriceSet = 13, "PRICE_SET";
    /// Closed for counting; may reopen.
    SoftClosed = 14, "SESSION_SOFT_CLOSED";
    /// A soft-closed or voided session stands again.
    Reopened = 15, "SESSION_REOPENED";
    /// Money was received.
    Payment = 16, "PAYMENT_RECORDED";
    /// A later-known entry would have changed a charge: the difference, computed once by the exit's origin.
    BasisDifference = 17, "BASIS_DIFFERENCE";
    /// What is due could not be collected, and is not expected to be.
    Uncollected = 30, "FEE_UNCOLLECTED";
    /// The rules of the projection changed, from a moment on.
    PolicySet = 20, "POLICY_SET";
    /// The origin's clock was off while it stamped some of its events: how far, and which.
    ClockOffset = 21, "CLOCK_OFFSET";
    /// An operator closed a range that is known to exist and that nobody holds.
    LostRange = 22, "LOST_RANGE";
    /// A person told a lane what to do.
    LaneCommanded = 40, "LANE_COMMAND";
    /// A command goes out to its lane.
    LaneCommandSent = 41, "LANE_COMMAND_SENT";
    /// What became of a command.
    LaneCommandEnded = 42, "LANE_COMMAND_ENDED";
    /// Lanes work in another mode from now on.
    LaneModeSet = 43, "LANE_MODE_SET";
    /// A vehicle crossed a loop and nothing had been opened for it.
    UnopenedPassage = 44, "PASSAGE_WITHOUT_OPENING";
    /// A person found out what a manual vend or a passage without opening was.
    PassageResolved = 45, "PASSAGE_RESOLVED";
    /// A vehicle was put on a list (allow, watch, block), its entry there was changed, or ended.
    ListEntrySet = 50, "LIST_ENTRY_SET";
    /// A person set a credential's anti-passback to neutral.
    AntiPassbackReset = 51, "ANTI_PASSBACK_RESET";
    /// The anti-passback mode of a car park or of a pass changed.
    AntiPassbackMode = 52, "ANTI_PASSBACK_MODE";
    /// A pass was given, changed or ended here, where no external API has them.
    PassSet = 53, "PASS_SET";
    /// A person corrected the count of vehicles inside.
    OccupancyCorrected = 54, "OCCUPANCY_CORRECTED";
}

impl Kind {
    /// True for events about no vehicle that say how events of vehicles are judged. Their arrival can change rows of any vehicle.
    pub fn is_rule(self) -> bool {
        matches!(self, Kind::PolicySet | Kind::ClockOffset)
    }

    /// True for events of the register: lists, passes, anti-passback, corrections of counts. They are about no session and change no
    /// row; decisions look at them.
    pub fn is_register(self) -> bool {
        Kind::REGISTER.contains(&self)
    }

    /// The kinds of the register.
    pub const REGISTER: [Kind; 5] = [
        Kind::ListEntrySet,
        Kind::AntiPassbackReset,
        Kind::AntiPassbackMode,
        Kind::PassSet,
        Kind::OccupancyCorrected,
    ];

    /// True for events about a lane. They need no vehicle; some name a session nevertheless.
    pub fn is_of_lane(self) -> bool {
        matches!(
            self,
            Kind::LaneCommanded
                | Kind::LaneCommandSent
                | Kind::LaneCommandEnded
                | Kind::LaneModeSet
                | Kind::UnopenedPassage
                | Kind::PassageResolved
        )
    }

    /// True for events about a vehicle: they carry its plate tag. Of unknown kinds nothing is known.
    pub fn is_of_vehicle(self) -> bool {
        let of_none = self.is_rule() || self.is_register() || self.is_of_lane();
        !(of_none || matches!(self, Kind::LostRange | Kind::Unknown(_)))
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Kind::Unknown(n) => write!(f, "UNKNOWN_{n}"),
            k => f.write_str(k.name()),
        }
    }
}

impl Serialize for Kind {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let s = std::borrow::Cow::<'de, str>::deserialize(d)?;
        Kind::from_name(&s)
            .or_else(|| s.strip_prefix("UNKNOWN_").and_then(|n| n.parse().ok()).map(Kind::Unknown))
            .ok_or_else(|| serde::de::Error::custom("unknown event kind"))
    }
}
