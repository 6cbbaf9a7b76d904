//! Which set of processes is meant: a central's own, or the clone a test runs beside it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::topology::{CentralId, Service, UnknownName};

const CLONE: &str = "-clone";

/// One set of six processes with data of its own. A clone has the identity, configuration and peers of its central, and other
/// ports; written `central-3` and `central-3-clone`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Instance {
    /// Whose identity it has.
    pub central: CentralId,
    /// Whether it is the second one of it.
    pub clone: bool,
}

impl Instance {
    /// The central's own processes.
    pub fn of(central: CentralId) -> Self {
        Self { central, clone: false }
    }

    /// The second set.
    pub fn clone_of(central: CentralId) -> Self {
        Self { central, clone: true }
    }
}

impl From<CentralId> for Instance {
    fn from(central: CentralId) -> Self {
        Self::of(central)
    }
}

impl From<Instance> for String {
    fn from(instance: Instance) -> Self {
        instance.to_string()
    }
}

impl TryFrom<String> for Instance {
    type Error = UnknownName;

    fn try_from(text: String) -> Result<Self, UnknownName> {
        text.parse()
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}{}", self.central, if self.clone { CLONE } else { "" }))
    }
}

impl FromStr for Instance {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        match text.strip_suffix(CLONE) {
            Some(central) => Ok(Self::clone_of(central.parse()?)),
            None => Ok(Self::of(text.parse()?)),
        }
    }
}

/// What a process verb acts on: a whole central (or clone) or one service of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The central, or its clone.
    pub of: Instance,
    /// The service; `None` means all six.
    pub service: Option<Service>,
}

impl Target {
    /// The services meant.
    pub fn services(self) -> Vec<Service> {
        self.service.map_or_else(|| Service::ALL.to_vec(), |service| vec![service])
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.service {
            Some(service) => write!(f, "{}/{service}", self.of),
            None => write!(f, "{}", self.of),
        }
    }
}

impl FromStr for Target {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        match text.split_once('/') {
            None => Ok(Self { of: text.parse()?, service: None }),
            Some((of, service)) => Ok(Self { of: of.parse()?, service: Some(service.parse()?) }),
        }
    }
}

impl From<Instance> for Target {
    fn from(of: Instance) -> Self {
        Self { of, service: None }
    }
}

impl From<CentralId> for Target {
    fn from(central: CentralId) -> Self {
        Instance::of(central).into()
    }
}

impl<I: Into<Instance>> From<(I, Service)> for Target {
    fn from((of, service): (I, Service)) -> Self {
        Self { of: of.into(), service: Some(service) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_names_a_central_or_one_service_of_it() {
        let target: Target = "central-3/ledger".parse().unwrap();
        assert_eq!(target.services(), [Service::Ledger]);
        assert_eq!("central-3".parse::<Target>().unwrap().services().len(), 6);
        for wrong in ["central-0", "central-21", "3", "central-3/", "central-3/redis", "", "-clone"] {
            assert!(wrong.parse::<Target>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_clone_is_named_after_its_central() {
        let target: Target = "central-3-clone/mesh".parse().unwrap();
        assert!(target.of.clone);
        assert_eq!(target.of.central, CentralId::new(3).unwrap());
        assert_eq!(target.to_string(), "central-3-clone/mesh");
    }
}
