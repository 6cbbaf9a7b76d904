//! `ledger verify`
