//! Classes of vehicle: what a lane serves, what a rate table prices.

use serde::{Deserialize, Serialize};

/// The class of a vehicle. It comes from the lane or from staff, never from the plate alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VehicleClass {
    /// Has no plate.
    Bicycle,
    /// Motorbike with a combustion engine.
    Motorbike,
    /// Motorbike with an electric motor.
    ElectricMotorbike,
    /// Car with up to nine seats.
    Car,
    /// Car with ten to sixteen seats.
    Car10to16,
    /// Goods vehicle.
    Truck,
    /// More than sixteen seats.
    Bus,
    /// Never charged: ambulance, fire brigade, police on duty.
    Exempt,
}

impl VehicleClass {
    /// All classes, in the order of the contract.
    pub const ALL: [Self; 8] = [
        Self::Bicycle,
        Self::Motorbike,
        Self::ElectricMotorbike,
        Self::Car,
        Self::Car10to16,
        Self::Truck,
        Self::Bus,
        Self::Exempt,
    ];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bicycle => "bicycle",
            Self::Motorbike => "motorbike",
            Self::ElectricMotorbike => "electric_motorbike",
            Self::Car => "car",
            Self::Car10to16 => "car10to16",
            Self::Truck => "truck",
            Self::Bus => "bus",
            Self::Exempt => "exempt",
        }
    }

    /// Two wheels with an engine: the plates of both kinds look alike on the road and are issued to both.
    #[must_use]
    pub const fn is_motorbike(self) -> bool {
        matches!(self, Self::Motorbike | Self::ElectricMotorbike)
    }
}

impl std::fmt::Display for VehicleClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Not one of the names of the contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown vehicle class")]
pub struct UnknownVehicleClass;

impl std::str::FromStr for VehicleClass {
    type Err = UnknownVehicleClass;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|c| c.as_str() == s).ok_or(UnknownVehicleClass)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_contract() {
        for class in VehicleClass::ALL {
            assert_eq!(serde_json::to_string(&class).unwrap(), format!("\"{class}\""));
            assert_eq!(class.as_str().parse(), Ok(class));
        }
        assert!("Car".parse::<VehicleClass>().is_err());
    }
}
