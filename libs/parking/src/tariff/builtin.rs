//! The rate tables that hold when none is published: data files, no price stands in code.

use super::{RateTableError, Tariff};

const CAR_MALL: &str = include_str!("../../data/car-mall.json");
const MOTO_CITY: &str = include_str!("../../data/moto-city.json");

/// Cars, then motorbikes. Every other class has no built-in price.
///
/// # Errors
/// Never with the files as shipped; a test reads them.
pub fn tables() -> Result<Vec<Tariff>, RateTableError> {
    [CAR_MALL, MOTO_CITY].into_iter().map(Tariff::import).collect()
}
