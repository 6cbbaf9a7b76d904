//! `/api/rights/*`: who may come in, who must not, who stays without paying.

pub(crate) mod antipassback;
pub(crate) mod lists;
pub(crate) mod passes;
